package codegeex;

import static codegeex.Support.CODE;
import static codegeex.Support.assertStatus;
import static codegeex.Support.endless;
import static codegeex.Support.open;
import static codegeex.Support.tokens;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(120)
final class GenerateTest {
    private static Model model;

    @BeforeAll
    static void openOnce() {
        model = open();
    }

    @AfterAll
    static void close() {
        model.close();
        assertEquals(0, Upcalls.listeners(), "no listener is kept");
    }

    @Test
    void samplesAreWhatAListenerHears() {
        GenerateOptions options = GenerateOptions.builder().maxNewTokens(12).temperature(0.8f).topP(0.95f).seed(7)
                .samples(2).topLogprobs(2).build();
        List<Token> heard = new ArrayList<>();
        Thread thread = Thread.currentThread();
        List<Completion> all = model.generate(CODE, options, token -> {
            assertSame(thread, Thread.currentThread());
            return heard.add(token);
        });
        assertEquals(2, all.size());
        assertNotEquals(all.get(0).text(), all.get(1).text());
        for (int i = 0; i < 2; i++) {
            int sample = i;
            Completion done = all.get(i);
            List<Token> own = heard.stream().filter(token -> token.sample() == sample).toList();
            assertEquals(done.text(), own.stream().map(Token::text).collect(Collectors.joining()));
            assertTrue(own.getLast().isEnd());
            List<Token> sampled = own.subList(0, own.size() - 1);
            assertArrayEquals(done.ids(), sampled.stream().mapToInt(Token::id).toArray());
            assertEquals(12, done.ids().length);
            assertEquals(sampled.stream().map(Token::top).toList(), done.top());
            assertEquals(FinishReason.LENGTH, done.finishReason());
            assertEquals("length", done.finishReason().toString());
            assertEquals(-1, done.stopIndex());
            double sum = 0;
            for (int token = 0; token < 12; token++) {
                sum += done.logprobs()[token];
                assertEquals(sampled.get(token).logprob(), done.logprobs()[token]);
            }
            assertEquals(sum, done.score(), 1e-4);
        }
        // The second sample alone, of ids and with draft tokens, is the same.
        GenerateOptions alone = options.toBuilder().firstSample(1).samples(1).speculationModel(model, 3).build();
        try (Tokenizer tokenizer = model.tokenizer()) {
            Completion second = model.generate(Prompt.of(tokenizer.encode(CODE)), alone, null, null).getFirst();
            assertArrayEquals(all.get(1).ids(), second.ids());
            assertTrue(second.drafted() >= second.accepted() && second.drafted() > 0);
        }
    }

    @Test
    void stopStrings() {
        String text = model.generate(CODE, tokens(24)).getFirst().text();
        String stop = text.substring(text.length() / 2, text.length() / 2 + 3);
        GenerateOptions options = tokens(24).toBuilder().addStop("no such text").addStop(stop).build();
        Completion done = model.generate(CODE, options).getFirst();
        assertEquals(FinishReason.STOP, done.finishReason());
        assertEquals(1, done.stopIndex());
        assertEquals(text.substring(0, text.indexOf(stop)), done.text());
    }

    @Test
    void aListenerEndsAGeneration() {
        int[] left = {5};
        Completion done = model.generate(CODE, endless(), token -> --left[0] != 0).getFirst();
        assertEquals(5, done.ids().length);
        assertEquals(FinishReason.CANCELLED, done.finishReason());
    }

    @Test
    void whatAListenerThrowsIsThrown() {
        try (Session session = model.newSession()) {
            for (Throwable mine : List.of(new RuntimeException("mine"), new StackOverflowError("mine"), new Exception("mine"))) {
                assertSame(mine, assertThrows(Throwable.class, () -> session.generate(CODE, endless(), token -> {
                    sneak(mine);
                    return true;
                })));
            }
            // Neither poisoned nor in use.
            assertEquals(1, session.generate(CODE, tokens(1)).getFirst().ids().length);
        }
    }

    @SuppressWarnings("unchecked")
    private static <T extends Throwable> void sneak(Throwable t) throws T {
        throw (T) t;
    }

    @Test
    void aSessionServesOneCall() {
        try (Session session = model.newSession()) {
            int[] calls = {0};
            session.generate(CODE, tokens(3), token -> {
                calls[0]++;
                assertThrows(BusyException.class, session::ids);
                return true;
            });
            assertEquals(4, calls[0]);
        }
    }

    @Test
    void tokensCancel() throws Exception {
        CancelToken cancel = new CancelToken();
        try (var threads = Executors.newCachedThreadPool()) {
            Future<List<Completion>> running =
                    threads.submit(() -> model.generate(Prompt.of(CODE), endless(), null, cancel));
            Thread.sleep(50);
            cancel.cancel();
            assertEquals(FinishReason.CANCELLED, running.get().getFirst().finishReason());
        }
        assertTrue(cancel.isCancelled());
        CancelToken timed = CancelToken.after(Duration.ofMillis(30));
        assertFalse(CancelToken.after(Duration.ofDays(1)).isCancelled());
        Completion done = model.generate(Prompt.of(CODE), endless(), null, timed).getFirst();
        assertEquals(FinishReason.CANCELLED, done.finishReason());
        assertTrue(timed.isCancelled());
        int[] ids = new int[512];
        try (State state = model.newState()) {
            assertThrows(CancelledException.class, () -> state.prefill(ids, cancel));
            assertThrows(CancelledException.class, () -> state.decode(ids, Wanted.LAST, cancel));
        }
        assertThrows(CancelledException.class, () -> model.score(ids, 1, cancel));
        assertThrows(CancelledException.class, () -> model.perplexity(ids, null, cancel));
        assertEquals(FinishReason.CANCELLED,
                model.beamSearch(Prompt.of(CODE), null, cancel).getFirst().finishReason());
    }

    @Test
    void interruptsCancel() throws Exception {
        List<Object> ended = new ArrayList<>();
        Thread thread = new Thread(() -> {
            ended.add(model.generate(CODE, endless()).getFirst().finishReason());
            ended.add(Thread.currentThread().isInterrupted());
        });
        thread.start();
        Thread.sleep(50);
        thread.interrupt();
        thread.join();
        assertEquals(List.of(FinishReason.CANCELLED, true), ended);
        // Calls of other threads go on.
        assertEquals(FinishReason.LENGTH, model.generate(CODE, tokens(2)).getFirst().finishReason());
    }

    @Test
    void deadlines() {
        GenerateOptions options = endless().toBuilder().timeout(Duration.ofMillis(20)).build();
        assertEquals(FinishReason.DEADLINE, model.generate(CODE, options).getFirst().finishReason());
    }

    @Test
    void streams() {
        Completion whole = model.generate(CODE, tokens(100)).getFirst();
        try (TokenStream tokens = model.stream(CODE, tokens(100))) {
            StringBuilder text = new StringBuilder();
            while (tokens.hasNext()) {
                text.append(tokens.next().text());
            }
            assertEquals(whole.text(), text.toString());
            assertThrows(NoSuchElementException.class, tokens::next);
            assertArrayEquals(whole.ids(), tokens.completions().getFirst().ids());
        }
        try (Stream<Token> tokens = model.stream(CODE, tokens(100)).stream()) {
            assertEquals(whole.text(), tokens.map(Token::text).collect(Collectors.joining()));
        }
        try (TokenStream tokens = model.stream(CODE, GenerateOptions.builder().topP(2).build())) {
            assertStatus(Status.INVALID_ARGUMENT, tokens::hasNext);
            assertStatus(Status.INVALID_ARGUMENT, tokens::completions);
        }
    }

    @Test
    void closingAStreamEndsIt() {
        try (Session session = model.newSession()) {
            TokenStream tokens = session.stream(CODE, endless());
            tokens.next();
            tokens.close();
            tokens.close();
            // The session is free again.
            assertTrue(session.ids().length < 1000);
            assertThrows(IllegalStateException.class, tokens::next);
            try (Stream<Token> stream = session.stream(CODE, endless()).stream()) {
                assertEquals(3, stream.limit(3).count());
            }
            assertTrue(session.ids().length < 1000);
            CancelToken cancel = new CancelToken();
            try (TokenStream other = session.stream(Prompt.of(CODE), endless(), cancel)) {
                other.next();
                cancel.cancel();
                assertEquals(FinishReason.CANCELLED, other.completions().getFirst().finishReason());
            }
        }
    }

    @Test
    void anInterruptEndsAStream() throws Exception {
        List<Object> ended = new ArrayList<>();
        try (Session session = model.newSession()) {
            Thread thread = new Thread(() -> {
                TokenStream tokens = session.stream(CODE, endless());
                try {
                    while (true) {
                        tokens.next();
                    }
                } catch (CancelledException e) {
                    ended.add(Thread.currentThread().isInterrupted());
                }
            });
            thread.start();
            Thread.sleep(50);
            thread.interrupt();
            thread.join();
            assertEquals(List.of(true), ended);
            session.ids();
        }
    }

    @Test
    void aForgottenStreamEnds() throws Exception {
        try (Session session = model.newSession()) {
            session.stream(CODE, endless()).next();
            for (int i = 0; ; i++) {
                System.gc();
                try {
                    session.ids();
                    break;
                } catch (BusyException e) {
                    assertTrue(i < 3000, "the generation of an unreachable stream goes on");
                    Thread.sleep(10);
                }
            }
        }
    }

    @Test
    void manyThreads() throws Exception {
        GenerateOptions options = GenerateOptions.builder().maxNewTokens(8).temperature(1).seed(3).build();
        int[] expected = model.generate(CODE, options).getFirst().ids();
        Model other = open();
        try (var threads = Executors.newCachedThreadPool()) {
            List<Future<List<Completion>>> running = new ArrayList<>();
            for (int i = 0; i < 4; i++) {
                running.add(threads.submit(() -> other.generate(CODE, options, token -> true)));
            }
            // Closing while calls run lets them end; those that come too late are told so.
            Thread.sleep(5);
            other.close();
            for (Future<List<Completion>> call : running) {
                try {
                    assertArrayEquals(expected, call.get().getFirst().ids());
                } catch (java.util.concurrent.ExecutionException e) {
                    assertEquals(IllegalStateException.class, e.getCause().getClass());
                }
            }
        }
    }
}
