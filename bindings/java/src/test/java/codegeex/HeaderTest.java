package codegeex;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.MemoryLayout.PathElement;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.StructLayout;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodType;
import java.lang.reflect.Field;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Native.java is what the C header says. */
final class HeaderTest {
    @Test
    void nativeIsWhatTheGeneratorWrites() throws Exception {
        assertEquals(NativeGenerator.text(Header.read()), Files.readString(NativeGenerator.OUT),
                "run bindings/java/generate.sh and commit what it writes");
    }

    /** The parser overlooks nothing: names are looked for as plainly as can be as well. */
    @Test
    void everyFunctionIsThere() throws Exception {
        String header = Files.readString(Header.path()).replaceAll("(?s)/\\*.*?\\*/", " ");
        var plain = new TreeSet<>(Pattern.compile("codegeex_(\\w+)\\(").matcher(header).results()
                .map(found -> found.group(1)).toList());
        var linked = new TreeSet<String>();
        for (Field field : Native.class.getDeclaredFields()) {
            if (field.getType() == MethodHandle.class) {
                linked.add(field.getName());
            }
        }
        assertEquals(plain, linked);
        assertTrue(linked.size() > 150);
    }

    /** A compiler says the same about every size, offset, number and signature. */
    @Test
    void aCompilerAgrees(@TempDir Path folder) throws Exception {
        Header header = Header.read();
        Map<String, String> expected = new TreeMap<>();
        StringBuilder program = new StringBuilder("""
                #include <codegeex.h>
                #include <cstdio>
                #include <type_traits>
                template <class T> const char *kind() {
                    if (std::is_void<T>::value) return "void";
                    if (std::is_pointer<T>::value) return "pointer";
                    if (std::is_floating_point<T>::value) return sizeof(T) == 4 ? "float" : "double";
                    return !std::is_integral<T>::value ? "other" : sizeof(T) == 4 ? "int" : sizeof(T) == 8 ? "long" : "other";
                }
                template <class R, class... A> void function(const char *name, R (*)(A...)) {
                    const char *kinds[] = {kind<R>(), kind<A>()...};
                    std::printf("%s ", name);
                    for (const char *one : kinds) std::printf("%s;", one);
                    std::printf("\\n");
                }
                template <class T> void field(const char *name, std::size_t offset, T *) {
                    std::printf("%s %zu;%s\\n", name, offset, kind<T>());
                }
                int main() {
                """);
        for (Header.Function function : header.functions()) {
            String name = function.name();
            line(program, "function(\"" + name + "\", codegeex_" + name + ")");
            Field field = Native.class.getDeclaredField(name);
            field.setAccessible(true);
            MethodType type = ((MethodHandle) field.get(null)).type();
            StringBuilder kinds = new StringBuilder(kind(type.returnType())).append(";");
            type.parameterList().forEach(parameter -> kinds.append(kind(parameter)).append(";"));
            expected.put(name, kinds.toString());
        }
        header.structs().forEach((type, fields) -> {
            StructLayout layout = layout(type);
            line(program, "std::printf(\"" + type + " %zu\\n\", sizeof(codegeex_" + type + "))");
            expected.put(type, Long.toString(layout.byteSize()));
            for (String field : fields.keySet()) {
                String name = type + "." + field;
                line(program, "field(\"" + name + "\", offsetof(codegeex_" + type + ", " + field + "), &((codegeex_"
                        + type + " *)0)->" + field + ")");
                ValueLayout of = (ValueLayout) layout.select(PathElement.groupElement(field));
                expected.put(name, layout.byteOffset(PathElement.groupElement(field)) + ";" + kind(of.carrier()));
            }
        });
        for (String constant : header.constants().keySet()) {
            line(program, "std::printf(\"" + constant + " %d\\n\", CODEGEEX_" + constant + ")");
            expected.put(constant, Native.class.getDeclaredField(constant).get(null).toString());
        }
        program.append("}\n");

        Path source = folder.resolve("header.cc");
        Files.writeString(source, program);
        Path binary = folder.resolve("header");
        String library = Path.of(System.getenv("CODEGEEX_LIBRARY")).toAbsolutePath().getParent().toString();
        run("c++", "-std=c++17", "-I", Header.path().toAbsolutePath().getParent().toString(), source.toString(), "-o",
                binary.toString(), "-L", library, "-lcodegeex", "-Wl,-rpath," + library);
        Map<String, String> found = new TreeMap<>();
        for (String line : run(binary.toString()).split("\n")) {
            String[] pair = line.split(" ");
            found.put(pair[0], pair[1]);
        }
        assertEquals(expected, found);
        assertTrue(found.size() > 250);
    }

    private static void line(StringBuilder program, String statement) {
        program.append("    ").append(statement).append(";\n");
    }

    private static StructLayout layout(String type) {
        try {
            return (StructLayout) Class.forName("codegeex.Native$" + type).getDeclaredField("LAYOUT").get(null);
        } catch (ReflectiveOperationException e) {
            throw new AssertionError(e);
        }
    }

    private static String kind(Class<?> carrier) {
        return carrier == MemorySegment.class ? "pointer" : carrier.getName();
    }

    private static String run(String... command) throws Exception {
        Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
        String output = new String(process.getInputStream().readAllBytes(), java.nio.charset.StandardCharsets.UTF_8);
        assertEquals(0, process.waitFor(), () -> List.of(command) + "\n" + output);
        return output;
    }
}
