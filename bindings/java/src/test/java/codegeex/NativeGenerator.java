package codegeex;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** Writes Native.java from the C header: {@code bindings/java/generate.sh}. */
final class NativeGenerator {
    static final Path OUT = Path.of("src", "main", "java", "codegeex", "Native.java");

    private NativeGenerator() {}

    public static void main(String[] args) throws IOException {
        Files.writeString(OUT, text(Header.read()));
    }

    static String text(Header header) {
        StringBuilder out = new StringBuilder(
                """
                package codegeex;

                import static java.lang.foreign.MemoryLayout.PathElement.groupElement;

                import java.lang.foreign.FunctionDescriptor;
                import java.lang.foreign.Linker;
                import java.lang.foreign.MemoryLayout;
                import java.lang.foreign.MemorySegment;
                import java.lang.foreign.StructLayout;
                import java.lang.foreign.SymbolLookup;
                import java.lang.foreign.ValueLayout;
                import java.lang.invoke.MethodHandle;

                /** The functions, structs and numbers of codegeex.h. Generated: see generate.sh. */
                final class Native {
                    static final ValueLayout.OfInt I = ValueLayout.JAVA_INT;
                    static final ValueLayout.OfLong L = ValueLayout.JAVA_LONG;
                    static final ValueLayout.OfFloat F = ValueLayout.JAVA_FLOAT;
                    static final ValueLayout.OfDouble D = ValueLayout.JAVA_DOUBLE;
                    static final java.lang.foreign.AddressLayout P = ValueLayout.ADDRESS;

                    private static final SymbolLookup LIBRARY = Library.open();

                    private Native() {}

                    private static MethodHandle link(String name, MemoryLayout result, MemoryLayout... of) {
                        return link(name, FunctionDescriptor.of(result, of));
                    }

                    private static MethodHandle linkVoid(String name, MemoryLayout... of) {
                        return link(name, FunctionDescriptor.ofVoid(of));
                    }

                    private static MethodHandle link(String name, FunctionDescriptor descriptor) {
                        MemorySegment at = LIBRARY.find("codegeex_" + name)
                                .orElseThrow(() -> new UnsatisfiedLinkError(
                                        "the library has no codegeex_" + name + "; it is older than this package"));
                        return Linker.nativeLinker().downcallHandle(at, descriptor);
                    }

                    private static AssertionError impossible(Throwable thrown) {
                        return new AssertionError("a downcall does not throw", thrown);
                    }
                """);
        header.constants().forEach((name, value) ->
                out.append("\n    static final int ").append(name).append(" = ").append(value).append(";"));
        out.append("\n");
        header.structs().forEach((name, fields) -> struct(out, name, fields));
        header.functions().forEach(function -> function(out, function));
        return out.append("}\n").toString();
    }

    private static void struct(StringBuilder out, String name, Map<String, String> fields) {
        out.append("\n    static final class ").append(name).append(" {\n");
        out.append("        static final StructLayout LAYOUT = MemoryLayout.structLayout(");
        long at = 0;
        long widest = 1;
        String between = "";
        for (var field : fields.entrySet()) {
            long size = "IF".contains(field.getValue()) ? 4 : 8;
            widest = Math.max(widest, size);
            if (at % size != 0) {
                out.append(between).append("\n                MemoryLayout.paddingLayout(").append(size - at % size).append(")");
                between = ",";
                at += size - at % size;
            }
            out.append(between).append("\n                ").append(field.getValue()).append(".withName(\"")
                    .append(field.getKey()).append("\")");
            between = ",";
            at += size;
        }
        if (at % widest != 0) {
            out.append(",\n                MemoryLayout.paddingLayout(").append(widest - at % widest).append(")");
        }
        out.append(");\n");
        for (String field : fields.keySet()) {
            out.append("        static final long ").append(field)
                    .append(" = LAYOUT.byteOffset(groupElement(\"").append(field).append("\"));\n");
        }
        out.append("\n        private ").append(name).append("() {}\n    }\n");
    }

    private static void function(StringBuilder out, Header.Function f) {
        boolean isVoid = f.result().equals("void");
        List<String> of = new ArrayList<>(f.types());
        if (!isVoid) {
            of.add(0, f.result());
        }
        of.add(0, "\"" + f.name() + "\"");
        out.append("\n    private static final MethodHandle ").append(f.name()).append(" =\n            ")
                .append(isVoid ? "linkVoid(" : "link(").append(String.join(", ", of)).append(");\n\n");
        List<String> parameters = new ArrayList<>();
        for (int i = 0; i < f.names().size(); i++) {
            parameters.add(java(f.types().get(i)) + " " + f.names().get(i));
        }
        String call = f.name() + ".invokeExact(" + String.join(", ", f.names()) + ");";
        out.append("    static ").append(java(f.result())).append(" ").append(f.name()).append("(")
                .append(String.join(", ", parameters)).append(") {\n        try {\n            ")
                .append(isVoid ? call : "return (" + java(f.result()) + ") " + call)
                .append("\n        } catch (Throwable thrown) {\n            throw impossible(thrown);\n        }\n    }\n");
    }

    private static String java(String type) {
        return switch (type) {
            case "P" -> "MemorySegment";
            case "I" -> "int";
            case "L" -> "long";
            case "F" -> "float";
            case "D" -> "double";
            default -> type;
        };
    }
}
