package codegeex.examples;

import codegeex.GenerateOptions;
import codegeex.Model;
import codegeex.OpenOptions;
import codegeex.TokenStream;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;

/**
 * Measures what streaming costs: greedy completions with a listener that hears every token, as a stream,
 * and without either, in turns.
 */
public final class Overhead {
    private Overhead() {}

    /**
     * Runs the program.
     *
     * @param args the path of the model; then, if wanted, how many new tokens and how many completions of
     *     each kind, of which the fastest counts
     */
    public static void main(String[] args) {
        if (args.length < 1 || args.length > 3) {
            System.err.println("usage: java -cp codegeex.jar codegeex.examples.Overhead MODEL [TOKENS [RUNS]]");
            System.exit(2);
        }
        int tokens = args.length > 1 ? Integer.parseInt(args[1]) : 256;
        int runs = args.length > 2 ? Integer.parseInt(args[2]) : 15;
        try (Model model = Model.open(Path.of(args[0]), OpenOptions.builder().threads(1).build())) {
            String prompt = "# language: Python\ndef read_lines(path):";
            GenerateOptions options = GenerateOptions.builder().maxNewTokens(tokens).build();
            long[] heard = {0};
            Map<String, Runnable> kinds = new LinkedHashMap<>();
            kinds.put("without", () -> model.generate(prompt, options));
            kinds.put("listener", () -> model.generate(prompt, options, token -> {
                heard[0]++;
                return true;
            }));
            kinds.put("stream", () -> {
                try (TokenStream stream = model.stream(prompt, options)) {
                    for (; stream.hasNext(); stream.next()) {
                        heard[0]++;
                    }
                }
            });
            int drawn = model.generate(prompt, options).getFirst().ids().length;
            Map<String, Long> best = new LinkedHashMap<>();
            for (int run = 0; run < runs; run++) {
                kinds.forEach((name, kind) -> {
                    long start = System.nanoTime();
                    kind.run();
                    best.merge(name, System.nanoTime() - start, Math::min);
                });
            }
            // Every token was heard, and the end, twice in each round.
            if (heard[0] != 2L * runs * (drawn + 1)) {
                throw new IllegalStateException(heard[0] + " events were heard, expected " + 2L * runs * (drawn + 1));
            }
            best.forEach((name, nanos) -> System.out.printf(Locale.ROOT, "java: %-8s %9.2f us/token, %+.2f%n", name,
                    nanos / 1e3 / drawn, (nanos - best.get("without")) / 1e3 / drawn));
        }
    }
}
