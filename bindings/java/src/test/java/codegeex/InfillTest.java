package codegeex;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

/** Fill-in-the-middle. */
class InfillTest {
    /** The control tokens of tests/data/infill; the 256 bytes follow from id 7 on. */
    private static final int PREFIX = 1, MIDDLE = 2, SUFFIX = 3, PAD = 4, FILENAME = 5, REPONAME = 6;

    private static Model filler() {
        return Model.open(Path.of("..", "..", "tests", "data", "infill"));
    }

    private static Model toy() {
        return Model.open(Path.of("..", "..", "models", "toy.safetensors"));
    }

    /** Ids of control tokens and of texts. */
    private static int[] ids(Object... parts) {
        return Arrays.stream(parts).flatMapToInt(part -> {
            if (part instanceof Integer id) {
                return IntStream.of(id);
            }
            byte[] bytes = ((String) part).getBytes(StandardCharsets.UTF_8);
            return IntStream.range(0, bytes.length).map(i -> 7 + (bytes[i] & 255));
        }).toArray();
    }

    private static int[] byHand(Model model, Object... parts) {
        return model.generate(Prompt.of(ids(parts)), Support.tokens(12), null, null).get(0).ids();
    }

    @Test
    void thePromptIsInTheFormatOfTheModel() {
        try (Model model = filler(); Session session = model.newSession()) {
            assertEquals(Optional.of("starcoder"), model.infillFormat());
            int[] psm = byHand(model, PREFIX, "a = ", SUFFIX, "\nb", MIDDLE);
            GenerateOptions options = Support.tokens(12);
            assertArrayEquals(psm, model.infill("a = ", "\nb", options).get(0).ids());
            assertArrayEquals(psm, session.infill("a = ", "\nb", options).get(0).ids());
            assertArrayEquals(psm, model.infill(Prompt.of(ids("a = ")), "\nb", options, null, null).get(0).ids());
            assertEquals("none", options.get("suffix"));

            int[] spm = byHand(model, PREFIX, SUFFIX, "\nb", MIDDLE, "a = ");
            assertFalse(Arrays.equals(psm, spm));
            GenerateOptions ordered = options.toBuilder().infillOrder(InfillOrder.SPM).build();
            assertArrayEquals(spm, model.infill("a = ", "\nb", ordered).get(0).ids());

            int[] files = byHand(model, REPONAME, "r", FILENAME, "b.py\nB", FILENAME, "a.py\n", PREFIX, "a = ", SUFFIX,
                    "\nb", MIDDLE);
            GenerateOptions context = options.toBuilder().path("a.py").repository("r")
                    .files(List.of(new ContextFile("b.py", "B"))).suffix("\nb").build();
            assertArrayEquals(files, model.generate("a = ", context).get(0).ids());
        }
    }

    @Test
    void theMiddleEndsAtTheTokensOfTheFormat() {
        try (Model model = filler()) {
            GenerateOptions forced = GenerateOptions.builder().logitBias(Map.of(PAD, 1000f)).build();
            Completion done = model.infill("a", "\nb", forced).get(0);
            assertEquals("", done.text());
            assertArrayEquals(new int[] {PAD}, done.ids());
            assertEquals(FinishReason.END_OF_TEXT, done.finishReason());
            int first = model.generate("a", Support.tokens(1)).get(0).ids()[0];
            GenerateOptions stopped = GenerateOptions.builder().stopIds(first).build();
            assertEquals(FinishReason.END_OF_TEXT, model.generate("a", stopped).get(0).finishReason());
        }
    }

    @Test
    void otherModelsRankTheirSamplesByTheSuffix() {
        try (Model model = toy()) {
            assertEquals(Optional.empty(), model.infillFormat());
            GenerateOptions options = GenerateOptions.builder().maxNewTokens(12).samples(6).temperature(1).build();
            List<String> plain = model.generate("def f(", options).stream().map(Completion::text).toList();
            List<String> ranked =
                    model.infill("def f(", "):\n    return 1\n", options).stream().map(Completion::text).toList();
            assertNotEquals(plain, ranked);
            assertEquals(plain.stream().sorted().toList(), ranked.stream().sorted().toList());
        }
    }

    private static void assertMessage(String expected, Executable call) {
        String message = assertThrows(CodegeexException.class, call).getMessage();
        assertTrue(message.contains(expected), message);
    }

    @Test
    void whatIsWrongIsSaid() {
        try (Model model = filler()) {
            assertMessage("auto, psm, spm", () -> GenerateOptions.builder().set("infill_order", "mps").build());
            GenerateOptions files = GenerateOptions.builder().files(List.of(new ContextFile("a\n\"", "A"))).build();
            assertEquals("[{\"path\":\"a\\n\\\"\",\"text\":\"A\"}]", files.get("files"));
            assertMessage("set the path", () -> model.infill("a", "b", files));
            assertMessage("text after the cursor", () -> EditOptions.builder().generate(files).build());
            assertThrows(NullPointerException.class, () -> model.infill("a", null, null));
        }
    }
}
