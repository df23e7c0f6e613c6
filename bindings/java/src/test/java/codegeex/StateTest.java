package codegeex;

import static codegeex.Support.CODE;
import static codegeex.Support.assertStatus;
import static codegeex.Support.endless;
import static codegeex.Support.open;
import static codegeex.Support.tokens;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;

@Timeout(120)
final class StateTest {
    private static Model model;

    @BeforeAll
    static void openOnce() {
        model = open();
    }

    @AfterAll
    static void close() {
        model.close();
    }

    @Test
    void sessions(@TempDir Path folder) throws Exception {
        try (Session session = model.newSession()) {
            String text = session.generate(CODE, tokens(6)).getFirst().text();
            int[] kept = session.ids();
            assertTrue(kept.length > 0 && session.bytes() > 0);
            byte[] saved = session.save();
            Path file = folder.resolve("session");
            session.save(file);
            assertArrayEquals(saved, Files.readAllBytes(file));
            assertThrows(FileFormatException.class, () -> model.restoreSession(Arrays.copyOf(saved, saved.length / 2)));
            String more = CODE + text + "\n    return";
            int[] expected = session.generate(more, tokens(6)).getFirst().ids();
            assertTrue(session.reused() > 0);
            for (Session restored : List.of(model.restoreSession(saved), model.restoreSession(file))) {
                try (restored) {
                    assertArrayEquals(kept, restored.ids());
                    assertArrayEquals(expected, restored.generate(more, tokens(6)).getFirst().ids());
                    assertTrue(restored.reused() > 0);
                }
            }
            session.truncate(2);
            assertEquals(2, session.ids().length);
        }
    }

    @Test
    void statesAndLogits() {
        int[] ids = {2, 8818, 1100, 62, 6615};
        int[] last = {ids[4]};
        try (State state = model.newState(); State other = model.newState();
                Logits all = state.decode(ids, Wanted.ALL, null)) {
            assertEquals(5, all.rows());
            assertEquals(model.info().vocabSize(), all.vocabSize());
            assertEquals(5, state.length());
            assertTrue(state.bytes() > 0);
            other.prefill(Arrays.copyOf(ids, 4), null);
            State fork = other.fork();
            float[] row;
            try (Logits one = other.decode(last, Wanted.LAST, null)) {
                row = one.row(0);
                assertArrayEquals(all.row(4), row);
                List<TokenLogprob> top = one.top(0, 3);
                assertEquals(3, top.size());
                assertEquals(top.getFirst().logprob(), one.logProbability(0, top.getFirst().id()));
                for (float logit : row) {
                    assertTrue(logit <= row[top.getFirst().id()]);
                }
                assertThrows(IndexOutOfBoundsException.class, () -> one.row(1));
                assertStatus(Status.TOKEN_OUT_OF_RANGE, () -> one.logProbability(0, 1 << 30));
            }
            State restored = model.restoreState(fork.save());
            try (Logits both = State.decode(List.of(fork, restored), new int[] {ids[4], ids[4]}, null)) {
                assertArrayEquals(row, both.row(0));
                assertArrayEquals(row, both.row(1));
            }
            assertThrows(CodegeexException.class, () -> State.decode(List.of(fork, fork), new int[] {1, 2}, null));
            assertThrows(IllegalArgumentException.class, () -> State.decode(List.of(fork), new int[0], null));
            assertEquals(0, other.decode(ids, Wanted.NONE, null).rows());
            state.truncate(2);
            assertEquals(2, state.length());
        }
    }

    @Test
    void beamsAndScores() {
        BeamOptions three = BeamOptions.builder().numBeams(3).maxNewTokens(6).build();
        List<Completion> beams = model.beamSearch(Prompt.of(CODE), three, null);
        assertEquals(3, beams.size());
        assertTrue(beams.get(0).score() >= beams.get(1).score() && beams.get(1).score() >= beams.get(2).score());
        BeamOptions face = BeamOptions.builder().numBeams(2).maxNewTokens(6).rules(BeamRules.HUGGING_FACE)
                .lengthPenalty(0.5f).earlyStopping(EarlyStopping.YES).addStop("\n\n\n").bannedIds(7)
                .specialTokens(SpecialTokens.PARSE).build();
        assertTrue(!model.beamSearch(Prompt.of(CODE), face, null).isEmpty());
        int[] ids;
        try (Tokenizer tokenizer = model.tokenizer()) {
            ids = tokenizer.encode(CODE);
        }
        assertArrayEquals(beams.getFirst().ids(),
                model.beamSearch(Prompt.of(ids), three, null).getFirst().ids());
        Score score = model.score(ids, 4, null);
        assertEquals(ids.length, score.logprobs().length);
        assertTrue(Float.isNaN(score.logprobs()[0]));
        assertEquals(4, score.top().size());
        long[] done = {0};
        Perplexity perplexity = model.perplexity(ids, (tokens, total) -> {
            done[0] = tokens;
            return true;
        }, null);
        double sum = 0;
        for (int i = 1; i < ids.length; i++) {
            sum += score.logprobs()[i];
        }
        assertEquals(ids.length - 1, perplexity.tokens());
        assertEquals(sum, perplexity.logProbability(), 1e-3);
        assertEquals(Math.exp(-sum / (ids.length - 1)), perplexity.value(), 1e-2);
        assertTrue(done[0] > 0);
    }

    @Test
    void editing() {
        EditOptions options = EditOptions.builder()
                .generate(GenerateOptions.builder().maxNewTokens(16).heal(true).build()).build();
        try (EditSession session = model.newEditSession("python", options)) {
            String before = "def read_lines(path):\n    with open(pa";
            EditUpdate update = session.update(before, "");
            assertEquals(new EditUpdate(0, 0, update.moved(), false), update);
            int[] heard = {0};
            List<String> suggestions = session.suggest(token -> ++heard[0] > 0, null);
            assertTrue(heard[0] > 0);
            assertEquals(suggestions, session.suggestions());
            assertEquals(1, suggestions.size());
            assertTrue(!suggestions.getFirst().isEmpty());
            String word = session.accept(Accept.WORD);
            assertTrue(suggestions.getFirst().startsWith(word) && !word.isEmpty());
            assertTrue(session.update(before + word, "").isAlive() || word.equals(suggestions.getFirst()));
            assertEquals(suggestions.getFirst().substring(word.length()), session.accept(Accept.ALL));
            session.dismiss();
            assertEquals(List.of(), session.suggestions());
            session.close();
            assertThrows(IllegalStateException.class, session::dismiss);
        }
        assertTrue(EditOptions.keys().size() > 1);
        assertStatus(Status.INVALID_ARGUMENT, () -> model.newEditSession("no such", null));
        // Rules of code end a completion, and a prompt that ends inside a word is healed.
        GenerateOptions line = GenerateOptions.builder().stopAt("python", "line").build();
        assertEquals(FinishReason.END_OF_LINE, model.generate(CODE + "\n    with", line).getFirst().finishReason());
        // The code before the cursor is the prompt, or another text. Beams stop as well.
        GenerateOptions block = GenerateOptions.builder().maxNewTokens(20).stopAt("python", "block").build();
        assertEquals(FinishReason.LENGTH, model.generate(CODE, block).getFirst().finishReason());
        block = block.toBuilder().stopBefore("if x:\n        y").build();
        assertEquals(FinishReason.END_OF_BLOCK, model.generate(CODE, block).getFirst().finishReason());
        BeamOptions beams = BeamOptions.builder().numBeams(2).stopAt("python", "line").build();
        assertEquals(FinishReason.END_OF_LINE,
                model.beamSearch(Prompt.of(CODE + "\n    with"), beams, null).getFirst().finishReason());
        beams = BeamOptions.builder().prefillLimit(1).build();
        assertEquals(FinishReason.PREFILL_LIMIT,
                model.beamSearch(Prompt.of(CODE), beams, null).getFirst().finishReason());
        GenerateOptions heal = GenerateOptions.builder().heal(true).maxNewTokens(4).build();
        assertTrue(model.generate(CODE + "\n    retu", heal).getFirst().healed() > 0);
    }

    @Test
    void services() throws Exception {
        ServiceOptions bounds =
                ServiceOptions.builder().sequences(4).waiting(8).prefixes(2).prefillTokens(64).cacheBytes(1 << 28).build();
        GenerateOptions options = GenerateOptions.builder().maxNewTokens(8).temperature(0.8f).seed(5).build();
        String expected = model.generate(CODE, options).getFirst().text();
        try (Service service = model.newService(bounds)) {
            List<Ticket> tickets = List.of(service.submit(CODE, options), service.submit(CODE, options));
            for (Ticket ticket : tickets) {
                StringBuilder text = new StringBuilder();
                for (var token = ticket.next(); token.isPresent(); token = ticket.next()) {
                    text.append(token.get().text());
                }
                assertEquals(expected, text.toString());
                assertEquals(expected, ticket.await().getFirst().text());
                assertStatus(Status.INVALID_ARGUMENT, ticket::await);
                assertTrue(ticket.poll().isEmpty());
                ticket.close();
            }
            ServiceProgress progress = service.progress();
            assertTrue(progress.running() + progress.waiting() <= 2 && progress.cacheBytes() >= 0, progress::toString);
            CancelToken cancel = new CancelToken();
            try (Ticket ticket = service.submit(Prompt.of(CODE), endless(), WhenFull.REFUSE, cancel)) {
                ticket.next();
                cancel.cancel();
                assertEquals(FinishReason.CANCELLED, ticket.await().getFirst().finishReason());
            }
            try (Ticket ticket = service.submit(Prompt.of(1, 2, 3), endless(), WhenFull.WAIT, null)) {
                ticket.cancel();
                assertEquals(FinishReason.CANCELLED, ticket.await().getFirst().finishReason());
            }
            try (Ticket ticket = service.submit(CODE, GenerateOptions.builder().topP(2).build())) {
                assertStatus(Status.INVALID_ARGUMENT, ticket::await);
            }
            // Closing, and an interrupt, end a wait.
            try (var threads = Executors.newCachedThreadPool()) {
                Ticket ticket = service.submit(CODE, endless());
                Future<List<Completion>> waiting = threads.submit(ticket::await);
                Thread.sleep(20);
                ticket.close();
                try {
                    assertEquals(FinishReason.CANCELLED, waiting.get().getFirst().finishReason());
                } catch (java.util.concurrent.ExecutionException e) {
                    assertTrue(e.getCause() instanceof IllegalStateException, e::toString);
                }
            }
            Ticket ticket = service.submit(CODE, endless());
            Thread.currentThread().interrupt();
            try {
                assertEquals(FinishReason.CANCELLED, ticket.await().getFirst().finishReason());
            } finally {
                assertTrue(Thread.interrupted());
            }
        }
    }

    @Test
    void closingInAnyOrderAndTwice() {
        Model own = open();
        Session session = own.newSession();
        State state = own.newState();
        Logits logits = state.decode(new int[] {1}, Wanted.LAST, null);
        Service service = own.newService(null);
        Ticket ticket = service.submit(CODE, null);
        Tokenizer tokenizer = own.tokenizer();
        Decoder decoder = tokenizer.newDecoder(InvalidUtf8.REPLACE);
        for (int i = 0; i < 2; i++) {
            own.close();
            service.close();
            tokenizer.close();
            state.close();
            session.close();
            ticket.close();
            decoder.close();
            logits.close();
        }
        for (Executable call : List.<Executable>of(() -> own.generate(CODE, null), () -> own.stream(CODE), own::info,
                own::describe, own::newSession, () -> own.beamSearch(Prompt.of(CODE), null, null), session::ids,
                session::bytes, () -> session.generate(CODE, null), state::fork, state::length,
                () -> State.decode(List.of(state), new int[1], null), () -> logits.row(0), logits::rows,
                () -> service.submit(CODE, null), service::progress, ticket::next, ticket::poll, ticket::await,
                ticket::cancel, () -> tokenizer.encode(""), tokenizer::vocabSize, () -> decoder.push(1),
                decoder::isPending, () -> GenerateOptions.builder().speculationModel(own, 1).build(),
                () -> OpenOptions.builder().tokenizer(tokenizer).build())) {
            assertThrows(IllegalStateException.class, call);
        }
    }

    @Test
    void sessionsOutliveTheirModel() {
        Model own = open();
        try (Session session = own.newSession()) {
            own.close();
            assertEquals(2, session.generate(CODE, tokens(2)).getFirst().ids().length);
        }
    }

    @Test
    void theForgottenIsFreed() throws Exception {
        var freed = new java.util.concurrent.CountDownLatch(1);
        new Handle("probe", java.lang.foreign.MemorySegment.NULL, pointer -> freed.countDown());
        for (int i = 0; freed.getCount() > 0; i++) {
            assertTrue(i < 3000);
            System.gc();
            Thread.sleep(10);
        }
        // While a call uses it, a handle is not freed.
        var closed = new java.util.concurrent.CountDownLatch(1);
        Handle handle = new Handle("probe", java.lang.foreign.MemorySegment.NULL, pointer -> closed.countDown());
        try (Handle.Use use = handle.use()) {
            handle.close();
            assertEquals(1, closed.getCount());
            assertEquals(0, use.at().address());
        }
        assertEquals(0, closed.getCount());
    }
}
