package codegeex;

import static codegeex.Native.F;
import static codegeex.Native.I;
import static codegeex.Native.L;
import static codegeex.Native.P;

import java.lang.System.Logger.Level;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;

/**
 * The functions that the library calls. Their userdata is a number by which the listener is found, so
 * that one stub serves all. Nothing that a listener throws gets into the library.
 */
final class Upcalls {
    static final MemorySegment EVENT = stub("event", I, P, P);
    static final MemorySegment PROGRESS = stub("progress", I, P, L, L);
    static final MemorySegment SAMPLER = stub("sampler", I, P, P);
    static final MemorySegment LOG = stub("log", null, P, I, P, L);
    static final MemorySegment FORGET = stub("forget", null, P);

    private static final Map<Long, Object> LISTENERS = new ConcurrentHashMap<>();
    private static final AtomicLong NUMBERS = new AtomicLong();

    private Upcalls() {}

    private static MemorySegment stub(String name, MemoryLayout result, MemoryLayout... of) {
        FunctionDescriptor descriptor =
                result == null ? FunctionDescriptor.ofVoid(of) : FunctionDescriptor.of(result, of);
        MethodType type = descriptor.toMethodType();
        try {
            return Linker.nativeLinker().upcallStub(
                    MethodHandles.lookup().findStatic(Upcalls.class, name, type), descriptor, Arena.global());
        } catch (ReflectiveOperationException e) {
            throw new AssertionError(e);
        }
    }

    /** The exception of a listener or sampler, until the call has returned. */
    static class Thrown {
        private volatile Throwable thrown;

        boolean hasThrown() {
            return thrown != null;
        }

        /** Runs a listener and returns the status for the library: 0 to continue. */
        int hear(java.util.function.BooleanSupplier listener) {
            if (thrown != null) {
                return 1;
            }
            try {
                return listener.getAsBoolean() ? 0 : 1;
            } catch (Throwable t) {
                thrown = t;
                return 1;
            }
        }

        /** Throws what the listener threw, once. */
        void rethrow() {
            Throwable own = thrown;
            thrown = null;
            if (own != null) {
                throw Thrown.<RuntimeException>asIs(own);
            }
        }

        /** Throws a checked exception too, which other languages than Java throw without declaring it. */
        @SuppressWarnings("unchecked")
        static <T extends Throwable> RuntimeException asIs(Throwable thrown) throws T {
            throw (T) thrown;
        }
    }

    /** A listener during a call. */
    static class Listening extends Thrown implements AutoCloseable {
        private final MemorySegment userdata = remember(this);

        MemorySegment userdata() {
            return userdata;
        }

        @Override
        public void close() {
            forget(userdata);
        }
    }

    static final class Events extends Listening {
        private final TokenListener listener;

        Events(TokenListener listener) {
            this.listener = listener;
        }
    }

    static final class Progress extends Listening {
        private final ProgressListener listener;

        Progress(ProgressListener listener) {
            this.listener = listener;
        }
    }

    /** Keeps a listener until it is forgotten. */
    static MemorySegment remember(Object listener) {
        long number = NUMBERS.incrementAndGet();
        LISTENERS.put(number, listener);
        return MemorySegment.ofAddress(number);
    }

    static int listeners() {
        return LISTENERS.size();
    }

    private static int event(MemorySegment userdata, MemorySegment event) {
        Events events = (Events) LISTENERS.get(userdata.address());
        return events.hear(() -> {
            Token token = token(event.reinterpret(Native.event.LAYOUT.byteSize()));
            return token == null || events.listener.onToken(token);
        });
    }

    /** Copies an event; null for one of a kind that came after this package. */
    static Token token(MemorySegment e) {
        int kind = e.get(I, Native.event.kind);
        int sample = Math.toIntExact(e.get(L, Native.event.sample));
        String text = Frame.text(e.get(P, Native.event.text), e.get(L, Native.event.text_len));
        return switch (kind) {
            case Native.EVENT_TOKEN -> new Token(sample, e.get(I, Native.event.id), e.get(F, Native.event.logprob), text,
                    Frame.pairs(e.get(P, Native.event.top_logprobs), e.get(L, Native.event.top_logprobs_len)),
                    FinishReason.NONE, -1);
            case Native.EVENT_END -> {
                FinishReason reason = FinishReason.of(e.get(I, Native.event.finish_reason));
                int stop = reason == FinishReason.STOP ? Math.toIntExact(e.get(L, Native.event.stop_index)) : -1;
                yield new Token(sample, 0, 0, text, java.util.List.of(), reason, stop);
            }
            default -> null;
        };
    }

    private static int progress(MemorySegment userdata, long done, long total) {
        Progress progress = (Progress) LISTENERS.get(userdata.address());
        return progress.hear(() -> progress.listener.onProgress(done, total));
    }

    private static int sampler(MemorySegment userdata, MemorySegment input) {
        Sampling.One one = (Sampling.One) LISTENERS.get(userdata.address());
        return one.apply(input.reinterpret(Native.sampler_input.LAYOUT.byteSize()));
    }

    private static void log(MemorySegment userdata, int level, MemorySegment message, long len) {
        try {
            Level of = switch (level) {
                case Native.LOG_DEBUG -> Level.DEBUG;
                case Native.LOG_INFO -> Level.INFO;
                case Native.LOG_WARNING -> Level.WARNING;
                default -> Level.ERROR;
            };
            ((LogListener) LISTENERS.get(userdata.address())).onMessage(of, Frame.text(message, len));
        } catch (Throwable t) {
            // The thread may belong to the library, where an exception has no caller.
        }
    }

    private static void forget(MemorySegment userdata) {
        LISTENERS.remove(userdata.address());
    }
}
