package codegeex;

import static codegeex.Support.CODE;
import static codegeex.Support.assertStatus;
import static codegeex.Support.open;
import static codegeex.Support.path;
import static codegeex.Support.tokens;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;

final class ModelTest {
    @Test
    void theLibrary() {
        assertTrue(Codegeex.version().matches("\\d+\\.\\d+\\.\\d+.*"));
        assertEquals(Native.ABI_MAJOR, Codegeex.abiVersion() >> 16);
        assertEquals("scalar", Codegeex.cpuTiers().getFirst());
        assertEquals(Codegeex.cpuTier(), Codegeex.cpuTiers().getLast());
        assertTrue(Codegeex.hasFeature("capi"));
        assertFalse(Codegeex.hasFeature("no such"));
    }

    @Test
    void whatAModelSaysOfItself() {
        Queue<String> log = new ConcurrentLinkedQueue<>();
        int before = Upcalls.listeners();
        try (Tokenizer tokenizer = new Tokenizer()) {
            OpenOptions options = OpenOptions.builder().memory(MemoryMode.COPY).threads(1).isa("scalar")
                    .kv(KvFormat.F16).activations(ActivationFormat.INT8).tokenizer(tokenizer)
                    .log(System.Logger.Level.DEBUG, (level, message) -> log.add(level + " " + message)).build();
            tokenizer.close();
            assertEquals("f16", options.get("kv"));
            assertEquals("int8", options.get("activations"));
            try (Model model = Model.open(path(), options); Model other = open()) {
                ModelInfo info = model.info();
                assertTrue(info.numLayers() > 0 && info.hiddenSize() > 0 && info.numAttentionHeads() > 0
                        && info.numKvHeads() > 0 && info.vocabSize() > 50_000 && info.maxPositions() > 0
                        && info.parameters() > 0, info::toString);
                assertEquals("scalar", model.kernels());
                assertTrue(model.describe().contains("scalar"));
                assertTrue(model.configJson().startsWith("{"));
                assertEquals(other.fingerprint(), model.fingerprint());
                Tokenizer own = other.tokenizer();
                other.close();
                assertEquals(50256, own.endOfText());
                model.generate(CODE, tokens(2));
                assertTrue(log.stream().anyMatch(line -> line.startsWith("INFO")), log::toString);
                assertTrue(log.stream().anyMatch(line -> line.startsWith("DEBUG")), log::toString);
                assertEquals(before + 1, Upcalls.listeners());
            }
            options.own.close();
            assertEquals(before, Upcalls.listeners());
        }
    }

    @Test
    void aLoggerThatThrowsHarmsNothing() {
        OpenOptions options = OpenOptions.builder().log(System.Logger.Level.ALL, (level, message) -> {
            throw new IllegalStateException("boo");
        }).build();
        try (Model model = Model.open(path(), options)) {
            assertEquals(1, model.generate(CODE, tokens(1)).size());
        }
        // Not after garbage collection: other tests count the listeners.
        options.own.close();
    }

    @Test
    void errors(@TempDir Path folder) throws Exception {
        NotFoundException missing =
                assertThrows(NotFoundException.class, () -> Model.open(Path.of("/no/such/file")));
        assertEquals(Status.NOT_FOUND, missing.status());
        assertEquals(201, missing.status().number());
        assertTrue(missing.getMessage().contains("/no/such/file"));
        Path broken = folder.resolve("broken.safetensors");
        Files.write(broken, new byte[] {8, 0, 0, 0, 0, 0, 0, 0, (byte) 0x7b, 0x22, 0x61, 0x22, 0x3a});
        assertThrows(FileFormatException.class, () -> Model.open(broken));
        try (Model model = open()) {
            for (GenerateOptions options : List.of(GenerateOptions.builder().topP(2).build(),
                    GenerateOptions.builder().samples(0).build(),
                    GenerateOptions.builder().temperature(Float.NaN).build())) {
                assertStatus(Status.INVALID_ARGUMENT, () -> model.generate(CODE, options));
            }
            assertStatus(Status.TOKEN_OUT_OF_RANGE, () -> model.generate(Prompt.of(1 << 30), null, null, null));
        }
        assertStatus(Status.INVALID_ARGUMENT, () -> GenerateOptions.builder().set("no such", "1").build());
        assertStatus(Status.INVALID_ARGUMENT, () -> GenerateOptions.builder().set("seed", "many").build());
        assertThrows(IllegalArgumentException.class, () -> GenerateOptions.builder().maxNewTokens(-1));
        assertEquals(Status.UNKNOWN, Status.of(77));
    }

    @Test
    void optionsByKey() {
        for (List<OptionKey> keys : List.of(GenerateOptions.keys(), OpenOptions.keys(), BeamOptions.keys(),
                ConvertOptions.keys(), ServiceOptions.keys())) {
            assertTrue(keys.size() > 3);
            keys.forEach(key -> assertFalse(key.key().isEmpty() || key.help().isEmpty()));
        }
        GenerateOptions options = GenerateOptions.builder().maxNewTokens(3).temperature(0.5f).topK(4).topP(0.25f)
                .minP(0.125f).typicalP(0.75f).repetitionPenalty(1.5f).presencePenalty(-2.5f).frequencyPenalty(3.5f)
                .logitBias(Map.of(198, -2.5f, 7, Float.NEGATIVE_INFINITY)).bannedIds(5, -1).seed(-1).firstSample(7)
                .samples(2).addStop("no").clearStops().addStop("\n\n").addStop("\"\\é\u0001").topLogprobs(8)
                .specialTokens(SpecialTokens.PARSE).prefillLimit(9).threads(1).speculationLookup(4).heal(true)
                .stopAt("go", "block,function").stopBefore("func f() {\n").timeout(Duration.ofNanos(10_000_001))
                .stopIds(7).suffix("x\n").infillOrder(InfillOrder.SPM).path("a.go").repository("r")
                .files(List.of(new ContextFile("b.go", "B"))).infillLanguage("go").set("top_k", "12").build();
        agree(GenerateOptions.keys(), options::get, Map.ofEntries(Map.entry("max_new_tokens", "3"),
                Map.entry("temperature", "0.5"), Map.entry("top_k", "12"), Map.entry("top_p", "0.25"),
                Map.entry("min_p", "0.125"), Map.entry("typical_p", "0.75"), Map.entry("repetition_penalty", "1.5"),
                Map.entry("presence_penalty", "-2.5"), Map.entry("frequency_penalty", "3.5"),
                Map.entry("logit_bias", "{\"7\":null,\"198\":-2.5}"), Map.entry("banned_ids", "[5,4294967295]"),
                Map.entry("seed", "18446744073709551615"), Map.entry("first_sample", "7"), Map.entry("samples", "2"),
                Map.entry("stop", "[\"\\n\\n\",\"\\\"\\\\é\\u0001\"]"), Map.entry("stop_at", "go:block,function"),
                Map.entry("stop_before", "\"func f() {\\n\""), Map.entry("heal", "true"), Map.entry("top_logprobs", "8"),
                Map.entry("special_tokens", "parse"), Map.entry("prefill_limit", "9"), Map.entry("threads", "1"),
                Map.entry("speculation", "lookup:4"), Map.entry("timeout_ms", "11"), Map.entry("stop_ids", "[7]"),
                Map.entry("suffix", "\"x\\n\""), Map.entry("infill_order", "spm"), Map.entry("path", "\"a.go\""),
                Map.entry("repository", "\"r\""), Map.entry("files", "[{\"path\":\"b.go\",\"text\":\"B\"}]"),
                Map.entry("infill_language", "go")));
        GenerateOptions changed = options.toBuilder().maxNewTokens(5).stopAt("go", "").speculationLookup(0)
                .timeout(Duration.ZERO).build();
        assertEquals("5", changed.get("max_new_tokens"));
        assertEquals("none", changed.get("stop_at"));
        assertEquals("off", changed.get("speculation"));
        assertEquals("0", changed.get("timeout_ms"));
        assertEquals("3", options.get("max_new_tokens"));
        BeamOptions beam = BeamOptions.builder().numBeams(3).maxNewTokens(5).rules(BeamRules.HUGGING_FACE)
                .lengthPenalty(0.5f).earlyStopping(EarlyStopping.NEVER).addStop("no").clearStops().addStop("x")
                .addStop("y").stopAt("python", "line").stopBefore("").bannedIds(6).specialTokens(SpecialTokens.PARSE)
                .timeout(Duration.ofSeconds(1)).prefillLimit(7).threads(2).stopIds(8).build();
        agree(BeamOptions.keys(), beam::get, Map.ofEntries(Map.entry("num_beams", "3"), Map.entry("max_new_tokens", "5"),
                Map.entry("rules", "hugging_face"), Map.entry("length_penalty", "0.5"),
                Map.entry("early_stopping", "never"), Map.entry("stop", "[\"x\",\"y\"]"),
                Map.entry("stop_at", "python:line"), Map.entry("stop_before", "\"\""), Map.entry("banned_ids", "[6]"),
                Map.entry("special_tokens", "parse"), Map.entry("timeout_ms", "1000"), Map.entry("prefill_limit", "7"),
                Map.entry("threads", "2"), Map.entry("stop_ids", "[8]")));
        OpenOptions open = OpenOptions.builder().memory(MemoryMode.COPY).threads(3).isa("scalar").kv(KvFormat.F16)
                .activations(ActivationFormat.INT8).memoryLimit(1L << 40).build();
        agree(OpenOptions.keys(), open::get, Map.of("memory", "copy", "threads", "3", "isa", "scalar", "kv", "f16",
                "activations", "int8", "memory_limit", "1099511627776", "config", "none"));
        ConvertOptions convert = ConvertOptions.builder().dtype("f16").quantize("int8").quantizeHead(true).threads(2)
                .overwrite(true).build();
        agree(ConvertOptions.keys(), convert::get, Map.of("dtype", "f16", "quantize", "int8", "quantize_head", "true",
                "threads", "2", "overwrite", "true"));
        ServiceOptions service = ServiceOptions.builder().sequences(3).prefillTokens(4).prefixes(5).waiting(6)
                .cacheBytes(1L << 40).build();
        agree(ServiceOptions.keys(), service::get, Map.of("sequences", "3", "prefill_tokens", "4", "prefixes", "5",
                "waiting", "6", "cache_bytes", "1099511627776"));
        // No limit of the cache has to be asked for; the default is half of the available memory.
        assertEquals("none", ServiceOptions.builder().build().get("cache_bytes"));
        assertEquals("unlimited", service.toBuilder().unlimitedCache().build().get("cache_bytes"));
        for (Enum<?>[] values : List.<Enum<?>[]>of(MemoryMode.values(), KvFormat.values(), ActivationFormat.values(),
                BeamRules.values(), EarlyStopping.values(), SpecialTokens.values())) {
            for (Enum<?> value : values) {
                switch (value) {
                    case MemoryMode m -> OpenOptions.builder().memory(m).build();
                    case KvFormat k -> OpenOptions.builder().kv(k).build();
                    case ActivationFormat a -> OpenOptions.builder().activations(a).build();
                    case BeamRules r -> BeamOptions.builder().rules(r).build();
                    case EarlyStopping e -> BeamOptions.builder().earlyStopping(e).build();
                    case SpecialTokens s -> GenerateOptions.builder().specialTokens(s).build();
                    default -> throw new AssertionError(value);
                }
            }
        }
        for (Executable wrong : List.<Executable>of(() -> GenerateOptions.builder().stopAt("no such", "line").build(),
                () -> GenerateOptions.builder().stopAt("go", "lines").build(),
                () -> GenerateOptions.builder().logitBias(Map.of(1, Float.NaN)).build(),
                () -> BeamOptions.builder().set("rules", "others").build())) {
            assertStatus(Status.INVALID_ARGUMENT, wrong);
        }
        assertStatus(Status.INVALID_UTF8, () -> GenerateOptions.builder().addStop("\ud800").build());
        assertThrows(IllegalArgumentException.class, () -> BeamOptions.builder().timeout(Duration.ofNanos(-1)));
    }

    /** Every key has the value that a setter gave it. */
    private static void agree(List<OptionKey> keys, UnaryOperator<String> get, Map<String, String> expected) {
        Map<String, String> found = new HashMap<>();
        keys.forEach(key -> found.put(key.key(), get.apply(key.key())));
        assertEquals(new TreeMap<>(expected), new TreeMap<>(found));
    }

    @Test
    void progressAndCancelling() {
        AtomicLong last = new AtomicLong();
        OpenOptions copy = OpenOptions.builder().memory(MemoryMode.COPY).build();
        Model.open(path(), copy, (done, total) -> {
            last.set(total - done);
            return true;
        }, null).close();
        assertEquals(0, last.get());
        assertThrows(CancelledException.class, () -> Model.open(path(), copy, (done, total) -> false, null));
        RuntimeException mine = new RuntimeException("mine");
        assertSame(mine, assertThrows(RuntimeException.class, () -> Model.open(path(), copy, (done, total) -> {
            throw mine;
        }, null)));
        CancelToken cancel = new CancelToken();
        cancel.cancel();
        assertThrows(CancelledException.class, () -> Model.open(path(), copy, null, cancel));
        Thread.currentThread().interrupt();
        try {
            assertThrows(CancelledException.class, () -> Model.open(path(), copy));
        } finally {
            assertTrue(Thread.interrupted());
        }
    }

    @Test
    void estimates() {
        MemoryEstimate estimate = Model.estimateMemory(path(), null, 2, 128);
        assertTrue(estimate.total() > 0);
        assertEquals(2 * 128 * estimate.cachePerToken(), estimate.cache());
        assertStatus(Status.NOT_FOUND, () -> Model.estimateMemory(Path.of("/no/such/file"), null, 1, 1));
    }

    @Test
    void converts(@TempDir Path folder) {
        Path out = folder.resolve("int8.safetensors");
        ConvertOptions options = ConvertOptions.builder().quantize("int8").quantizeHead(true).dtype("f16").threads(1).build();
        AtomicLong left = new AtomicLong(-1);
        Codegeex.convert(path(), out, options, OpenOptions.builder().memory(MemoryMode.COPY).build(), (done, total) -> {
            left.set(total - done);
            return true;
        }, null);
        assertEquals(0, left.get());
        assertThrows(CodegeexException.class, () -> Codegeex.convert(path(), out, options));
        Codegeex.convert(path(), out, options.toBuilder().overwrite(true).build());
        CancelToken cancel = new CancelToken();
        cancel.cancel();
        assertThrows(CancelledException.class,
                () -> Codegeex.convert(path(), folder.resolve("other"), options, null, null, cancel));
        try (Model model = Model.open(out)) {
            assertEquals(2, model.generate(CODE, tokens(2)).getFirst().ids().length);
        }
    }

    @Test
    void promptsAndTasks() {
        assertEquals("# language: Python\ndef f(", Prompts.generation("python", "def f("));
        assertTrue(Prompts.expand("<INPUT:1,2>!", "a\nb\nc").startsWith("b"));
        Language python = Language.find("Python");
        assertEquals(new Language("python", "# language: Python"), python);
        assertTrue(Language.all().contains(python));
        assertStatus(Status.INVALID_ARGUMENT, () -> Language.find("no such"));
        String f = "def f(x):\n    return x + 1\n";
        for (Task task : List.of(Task.complete("python", f), Task.explain("python", f), Task.docstring("python", f),
                Task.translate("python", f, "go", "func f("))) {
            assertTrue(task.prompt().contains("def f(x):"), task::toString);
            assertFalse(task.language().isEmpty());
        }
        Task task = Task.docstring("python", f);
        assertTrue(task.prompt().endsWith(task.lead()));
        assertFalse(task.lead().isEmpty() || task.tail().isEmpty() || task.stops().isEmpty());
        GenerateOptions options = GenerateOptions.builder().addStops(task).build();
        assertTrue(options.get("stop").length() > 2);
        assertEquals("# x", Task.custom("# <INPUT>", "python", "x").prompt());
        assertInstanceOf(Record.class, task);
    }
}
