import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.EOFException;
import java.io.FileDescriptor;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.OutputStream;
import java.io.PrintStream;
import java.io.StringWriter;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import javax.tools.FileObject;
import javax.tools.ForwardingJavaFileManager;
import javax.tools.JavaCompiler;
import javax.tools.JavaFileManager;
import javax.tools.JavaFileObject;
import javax.tools.SimpleJavaFileObject;
import javax.tools.StandardJavaFileManager;
import javax.tools.ToolProvider;

/**
 * Compiles sources that come on standard input, one after another, without running any of them.
 * A request is a length and the text of Main.java; an answer is a length, a byte (0: classes, 1:
 * what the compiler says, 2: the compiler failed), and a text or the names and bytes of classes.
 * Numbers have four bytes, the highest first.
 */
final class CompileServer {
    private CompileServer() {}

    private static final class Source extends SimpleJavaFileObject {
        private final String text;

        Source(String text) {
            super(URI.create("string:///Main.java"), Kind.SOURCE);
            this.text = text;
        }

        @Override
        public CharSequence getCharContent(boolean ignoreEncodingErrors) {
            return text;
        }
    }

    private static final class Output extends SimpleJavaFileObject {
        final ByteArrayOutputStream bytes = new ByteArrayOutputStream();

        Output(String name) {
            super(URI.create("bytes:///" + name.replace('.', '/') + ".class"), Kind.CLASS);
        }

        @Override
        public OutputStream openOutputStream() {
            return bytes;
        }
    }

    private static final class Files extends ForwardingJavaFileManager<JavaFileManager> {
        final Map<String, Output> classes = new TreeMap<>();

        Files(JavaFileManager platform) {
            super(platform);
        }

        @Override
        public JavaFileObject getJavaFileForOutput(
                Location location, String name, JavaFileObject.Kind kind, FileObject sibling) {
            Output output = new Output(name);
            classes.put(name, output);
            return output;
        }
    }

    private static byte[] compile(JavaCompiler javac, StandardJavaFileManager platform, String text)
            throws Exception {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        DataOutputStream answer = new DataOutputStream(bytes);
        try {
            Files files = new Files(platform);
            StringWriter said = new StringWriter();
            List<String> options = List.of("-proc:none", "-nowarn");
            boolean ok =
                    javac.getTask(said, files, null, options, null, List.of(new Source(text)))
                            .call();
            answer.writeByte(ok ? 0 : 1);
            if (ok) {
                answer.writeInt(files.classes.size());
                for (Map.Entry<String, Output> entry : files.classes.entrySet()) {
                    write(answer, entry.getKey().getBytes(StandardCharsets.UTF_8));
                    write(answer, entry.getValue().bytes.toByteArray());
                }
            } else {
                write(answer, said.toString().getBytes(StandardCharsets.UTF_8));
            }
        } catch (Throwable e) {
            bytes.reset();
            answer.writeByte(2);
            write(answer, e.toString().getBytes(StandardCharsets.UTF_8));
        }
        return bytes.toByteArray();
    }

    private static void write(DataOutputStream out, byte[] bytes) throws Exception {
        out.writeInt(bytes.length);
        out.write(bytes);
    }

    public static void main(String[] args) throws Exception {
        DataInputStream in = new DataInputStream(new FileInputStream(FileDescriptor.in));
        DataOutputStream out = new DataOutputStream(new FileOutputStream(FileDescriptor.out));
        System.setOut(new PrintStream(OutputStream.nullOutputStream()));
        Locale.setDefault(Locale.ROOT);
        JavaCompiler javac = ToolProvider.getSystemJavaCompiler();
        StandardJavaFileManager platform =
                javac.getStandardFileManager(null, Locale.ROOT, StandardCharsets.UTF_8);
        platform.setLocation(javax.tools.StandardLocation.CLASS_PATH, List.of());
        // Compiling a file first is for the archive of classes.
        for (String path : args) {
            String text = new String(java.nio.file.Files.readAllBytes(java.nio.file.Path.of(path)), StandardCharsets.UTF_8);
            for (int i = 0; i < 3; i++) compile(javac, platform, text);
        }
        while (true) {
            byte[] text;
            try {
                text = new byte[in.readInt()];
            } catch (EOFException e) {
                return;
            }
            in.readFully(text);
            byte[] answer = compile(javac, platform, new String(text, StandardCharsets.UTF_8));
            write(out, answer);
            out.flush();
        }
    }
}
