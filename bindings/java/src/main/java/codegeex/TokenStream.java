package codegeex;

import java.lang.ref.Cleaner;
import java.util.Iterator;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.Spliterator;
import java.util.Spliterators;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;

/**
 * The tokens of a generation, which runs on a separate thread, some tokens ahead. Closing the stream cancels it;
 * so does an interrupt of the thread that waits for a token, which throws a {@link CancelledException}. An
 * unreachable stream is cancelled after garbage collection. One thread at a time may use a stream.
 */
public final class TokenStream implements Iterator<Token>, AutoCloseable {
    private static final Cleaner CLEANER = Cleaner.create();
    private static final int AHEAD = 64;

    private final Pump pump;
    private final Thread thread;
    private final Cleaner.Cleanable forgotten;
    private Object next;

    TokenStream(Generation generation, Prompt prompt, GenerateOptions options, CancelToken cancel) {
        pump = new Pump(generation, generation.own().use(), prompt, options, cancel);
        thread = Thread.ofPlatform().daemon().name("codegeex-stream").unstarted(pump);
        forgotten = CLEANER.register(this, pump::end);
        thread.start();
    }

    /** The job of the thread; it must not refer to the stream. */
    private static final class Pump implements Runnable {
        private final BlockingQueue<Object> queue = new ArrayBlockingQueue<>(AHEAD);
        private final CancelToken ended = new CancelToken();
        private final Generation generation;
        private final Handle.Use handle;
        private final Prompt prompt;
        private final GenerateOptions options;
        private final CancelToken cancel;

        Pump(Generation generation, Handle.Use handle, Prompt prompt, GenerateOptions options, CancelToken cancel) {
            this.generation = generation;
            this.handle = handle;
            this.prompt = prompt;
            this.options = options;
            this.cancel = cancel;
        }

        @Override
        public void run() {
            Object last;
            try (handle) {
                last = new End(generation.run(handle, prompt, options, this::put, cancel, ended));
            } catch (Throwable thrown) {
                last = new Failed(thrown);
            }
            put(last);
        }

        /** Queues an element; false after the stream was closed. */
        private boolean put(Object next) {
            try {
                while (!ended.isCancelled()) {
                    if (queue.offer(next, 20, TimeUnit.MILLISECONDS)) {
                        return true;
                    }
                }
            } catch (InterruptedException e) {
                // No other code has this thread; an interrupt ends the stream.
                Thread.currentThread().interrupt();
            }
            return false;
        }

        void end() {
            ended.cancel();
        }
    }

    private record End(List<Completion> completions) {}

    private record Failed(Throwable thrown) {}

    private void await() {
        if (next != null) {
            return;
        }
        if (pump.ended.isCancelled()) {
            throw new IllegalStateException("this stream was closed");
        }
        try {
            next = pump.queue.take();
        } catch (InterruptedException e) {
            close();
            Thread.currentThread().interrupt();
            throw new CancelledException("the thread was interrupted while it waited for a token", List.of());
        }
    }

    /**
     * Waits for a token.
     *
     * @return whether there is one, or the generation has ended
     * @throws CodegeexException where the generation failed
     */
    @Override
    public boolean hasNext() {
        await();
        return switch (next) {
            case Failed(Throwable thrown) -> throw Upcalls.Thrown.<RuntimeException>asIs(thrown);
            case End end -> false;
            default -> true;
        };
    }

    @Override
    public Token next() {
        if (!hasNext()) {
            throw new NoSuchElementException("the generation has ended");
        }
        Token token = (Token) next;
        next = null;
        return token;
    }

    /**
     * Waits for the end and skips the remaining tokens.
     *
     * @return the samples
     */
    public List<Completion> completions() {
        while (hasNext()) {
            next();
        }
        return ((End) next).completions();
    }

    /**
     * The remaining tokens as a {@link java.util.stream.Stream}; closing it closes this.
     *
     * @return a stream for one thread
     */
    public Stream<Token> stream() {
        int kind = Spliterator.ORDERED | Spliterator.NONNULL;
        return StreamSupport.stream(Spliterators.spliteratorUnknownSize(this, kind), false).onClose(this::close);
    }

    /** Cancels the generation and waits for its end. */
    @Override
    public void close() {
        forgotten.clean();
        boolean interrupted = false;
        while (thread.isAlive()) {
            try {
                thread.join();
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }
}
