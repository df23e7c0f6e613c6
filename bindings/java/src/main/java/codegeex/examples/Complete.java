package codegeex.examples;

import codegeex.Completion;
import codegeex.GenerateOptions;
import codegeex.Model;
import codegeex.Prompts;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;

/**
 * Completes code, streamed, and cancels a second completion. The same program exists in Rust
 * ({@code examples/hello.rs}), which says what it prints to the byte, in C ({@code examples/c/complete.c}),
 * and in the other languages of {@code bindings/}.
 */
public final class Complete {
    private Complete() {}

    /**
     * Runs the program.
     *
     * @param args the path of the model
     */
    public static void main(String[] args) {
        if (args.length != 1) {
            System.err.println("usage: java -jar codegeex.jar MODEL");
            System.exit(2);
        }
        PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        try (Model model = Model.open(Path.of(args[0]))) {
            String prompt = Prompts.generation("python", "def read_lines(path):");
            GenerateOptions options =
                    GenerateOptions.builder().maxNewTokens(48).temperature(0.8f).topP(0.95f).seed(7).build();
            Completion done = model.generate(prompt, options, token -> {
                out.print(token.text());
                return !out.checkError();
            }).getFirst();
            out.print("\n-- " + done.ids().length + " tokens, " + done.finishReason() + "\n");

            // Other ways to cancel: a CancelToken, an interrupt of this thread, closing a model.stream.
            options = options.toBuilder().maxNewTokens(512).temperature(0).build();
            int[] left = {5};
            done = model.generate(prompt, options, token -> --left[0] != 0).getFirst();
            out.print("-- cancelled after " + done.ids().length + " tokens, " + done.finishReason() + "\n");
        }
    }
}
