package codegeex.examples;

import codegeex.GenerateOptions;
import codegeex.Model;
import codegeex.OpenOptions;
import codegeex.TokenStream;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;

/**
 * Measures the time per token with a listener, as a stream, and without either. {@code benches/capi/callback.c}
 * and {@code benches/callback.rs} do the same in C and Rust: one thread, the variants in turns, the median of all
 * rounds.
 */
public final class Overhead {
    private static final int ROUNDS = 15;
    private static final int TOKENS = 256;

    private Overhead() {}

    /**
     * Runs the program.
     *
     * @param args the path of the model
     */
    public static void main(String[] args) {
        if (args.length != 1) {
            System.err.println("usage: java -cp codegeex.jar codegeex.examples.Overhead MODEL");
            System.exit(2);
        }
        try (Model model = Model.open(Path.of(args[0]), OpenOptions.builder().threads(1).build())) {
            String prompt = "# language: Python\ndef read_lines(path):";
            GenerateOptions options =
                    GenerateOptions.builder().maxNewTokens(TOKENS).temperature(0.8f).seed(7).build();
            long[] heard = {0};
            Map<String, Runnable> ways = new LinkedHashMap<>();
            ways.put("without a callback", () -> check(TOKENS, model.generate(prompt, options).getFirst().ids().length));
            ways.put("with a callback", () -> model.generate(prompt, options, token -> {
                heard[0]++;
                return true;
            }));
            ways.put("as a stream", () -> {
                try (TokenStream stream = model.stream(prompt, options)) {
                    for (; stream.hasNext(); stream.next()) {
                        heard[0]++;
                    }
                }
            });
            Map<String, double[]> times = new LinkedHashMap<>();
            for (int i = 0; i < ROUNDS; i++) {
                int round = i;
                ways.forEach((name, way) -> {
                    long start = System.nanoTime();
                    way.run();
                    times.computeIfAbsent(name, unused -> new double[ROUNDS])[round] =
                            (System.nanoTime() - start) / 1e3 / TOKENS;
                });
            }
            // Each round reported every token and the end twice.
            check(2L * ROUNDS * (TOKENS + 1), heard[0]);
            System.out.println("Java, kernels " + model.kernels());
            times.forEach((name, all) -> {
                Arrays.sort(all);
                System.out.printf(Locale.ROOT, "%s: %.3f us a token%n", name, all[ROUNDS / 2]);
            });
        }
    }

    private static void check(long expected, long found) {
        if (expected != found) {
            throw new IllegalStateException(found + " were there, expected " + expected);
        }
    }
}
