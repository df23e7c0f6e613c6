package codegeex;

import static codegeex.Support.CODE;
import static codegeex.Support.open;
import static codegeex.Support.tokens;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.IntBuffer;
import java.nio.ReadOnlyBufferException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(120)
final class SamplerTest {
    private static final Prompt PROMPT = Prompt.of(4299, 277, 7);

    private static Model model;
    private static int listeners;

    @BeforeAll
    static void openOnce() {
        model = open();
        listeners = Upcalls.listeners();
    }

    @AfterAll
    static void close() {
        model.close();
        assertEquals(listeners, Upcalls.listeners(), "a sampler of a call that has ended is kept");
    }

    /** Leaves one id. */
    private static Sampler only(int id) {
        return input -> {
            int at = input.find(id);
            for (int i = 0; i < input.size(); i++) {
                if (i != at) {
                    input.setLogit(i, Float.NEGATIVE_INFINITY);
                }
            }
        };
    }

    private static GenerateOptions with(int tokens, Sampler... samplers) {
        GenerateOptions.Builder builder = GenerateOptions.builder().maxNewTokens(tokens);
        for (Sampler sampler : samplers) {
            builder.addSampler(sampler);
        }
        return builder.build();
    }

    private static int[] ids(IntBuffer buffer) {
        int[] ids = new int[buffer.remaining()];
        buffer.get(ids);
        return ids;
    }

    @Test
    void whatTheyGet() {
        List<int[]> generated = new ArrayList<>();
        List<SamplerInput> kept = new ArrayList<>();
        Sampler look = input -> {
            assertArrayEquals(new int[] {4299, 277, 7}, ids(input.prompt()));
            generated.add(ids(input.generated()));
            assertTrue(input.size() > 50_000);
            for (int i = 1; i < input.size(); i++) {
                assertTrue(input.id(i - 1) < input.id(i));
            }
            assertEquals(751, input.id(input.find(751)));
            assertEquals(-1, input.find(-1));
            assertThrows(IndexOutOfBoundsException.class, () -> input.logit(input.size()));
            assertThrows(IndexOutOfBoundsException.class, () -> input.setLogit(-1, 0));
            assertThrows(ReadOnlyBufferException.class, () -> input.prompt().put(0, 1));
            kept.add(input);
        };
        int[] ids = model.generate(PROMPT, with(3, look, only(751)), null, null).getFirst().ids();
        assertArrayEquals(new int[] {751, 751, 751}, ids);
        assertEquals(3, generated.size());
        assertArrayEquals(new int[] {751, 751}, generated.getLast());
        // The memory is the library's, and cannot be reached after the call.
        assertThrows(IllegalStateException.class, () -> kept.getFirst().logit(0));
        assertThrows(IllegalStateException.class, () -> kept.getFirst().prompt().get(0));
    }

    @Test
    void whatTheyChange() {
        GenerateOptions options = with(4, input -> input.setLogit(input.find(752), 1000));
        options = options.toBuilder().speculationLookup(2).build();
        try (Session session = model.newSession(); TokenStream tokens = session.stream(PROMPT, options, null)) {
            while (tokens.hasNext()) {
                Token token = tokens.next();
                assertTrue(token.isEnd() || token.id() == 752);
            }
        }
        options = options.toBuilder().addSampler(only(753)).build();
        assertEquals(753, model.generate(PROMPT, options, null, null).getFirst().ids()[0]);
        // A sampler may use the package.
        int[] one = {0};
        options = with(2, input -> one[0] += model.generate(CODE, tokens(1)).size());
        model.generate(PROMPT, options, null, null);
        assertEquals(2, one[0]);
    }

    @SuppressWarnings("unchecked")
    private static <T extends Throwable> void sneak(Throwable t) throws T {
        throw (T) t;
    }

    @Test
    void whatTheyThrowIsThrown() {
        try (Session session = model.newSession()) {
            for (Throwable mine : List.of(new RuntimeException("mine"), new StackOverflowError("mine"), new Exception("mine"))) {
                AtomicInteger calls = new AtomicInteger();
                GenerateOptions fails = with(50, input -> {
                    if (calls.incrementAndGet() == 3) {
                        sneak(mine);
                    }
                });
                int[] heard = {0};
                assertSame(mine, assertThrows(Throwable.class,
                        () -> session.generate(CODE, fails, token -> ++heard[0] > 0)));
                assertEquals(2, heard[0]);
                assertEquals(3, calls.get());
            }
            RuntimeException mine = new RuntimeException("mine");
            GenerateOptions fails = with(5, input -> sneak(mine));
            assertSame(mine, assertThrows(Throwable.class, () -> session.generate(CODE, fails)));
            Exception checked = new Exception("mine");
            for (Throwable thrown : List.of(mine, checked)) {
                try (TokenStream tokens = session.stream(CODE, with(5, input -> sneak(thrown)))) {
                    assertSame(thrown, assertThrows(Throwable.class, tokens::hasNext));
                }
            }
            // Neither poisoned nor in use.
            assertEquals(1, session.generate(CODE, tokens(1)).getFirst().ids().length);
        }
    }

    @Test
    void ofRequests() {
        RuntimeException mine = new RuntimeException("mine");
        try (Service service = model.newService(null)) {
            try (Ticket ticket = service.submit(CODE, with(5, input -> {
                if (input.generated().remaining() == 2) {
                    throw mine;
                }
            }))) {
                int tokens = 0;
                while (ticket.next().isPresent()) {
                    tokens++;
                }
                assertEquals(2, tokens);
                assertSame(mine, assertThrows(RuntimeException.class, ticket::await));
            }
            try (Ticket ticket = service.submit(CODE, with(2, only(9)))) {
                assertArrayEquals(new int[] {9, 9}, ticket.await().getFirst().ids());
            }
        }
    }

    @Test
    void ofEditSessions() {
        RuntimeException mine = new RuntimeException("mine");
        boolean[] fail = {true};
        EditOptions options = EditOptions.builder().generate(with(4, input -> {
            if (fail[0]) {
                throw mine;
            }
        })).set("rank", "false").build();
        try (EditSession session = model.newEditSession("python", options.toBuilder().build())) {
            session.update("def f(x):\n    return", "");
            for (int i = 0; i < 2; i++) {
                assertSame(mine, assertThrows(RuntimeException.class, () -> session.suggest(null, null)));
                assertSame(mine, assertThrows(RuntimeException.class, () -> session.suggest(token -> true, null)));
            }
            fail[0] = false;
            session.suggest(null, null);
        }
        options.own.close();
    }

    @Test
    void ofSeveralThreads() throws Exception {
        // The same options for all calls: each throws what its own sampler threw.
        AtomicInteger calls = new AtomicInteger();
        GenerateOptions fails = with(5, input -> {
            throw new RuntimeException(Integer.toString(calls.incrementAndGet()));
        });
        try (var threads = Executors.newCachedThreadPool()) {
            List<Future<String>> running = new ArrayList<>();
            for (int i = 0; i < 4; i++) {
                running.add(threads.submit(() ->
                        assertThrows(RuntimeException.class, () -> model.generate(CODE, fails)).getMessage()));
            }
            List<String> thrown = new ArrayList<>();
            for (Future<String> call : running) {
                thrown.add(call.get());
            }
            assertEquals(List.of("1", "2", "3", "4"), thrown.stream().sorted().toList());
        }
    }

    @Test
    void thereAreNoneOfNull() {
        assertThrows(NullPointerException.class, () -> GenerateOptions.builder().addSampler(null));
    }
}
