package codegeex;

import static codegeex.Native.I;

import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Optional;

/**
 * A submitted request. It serves one call at a time, except {@link #cancel} and {@link #close}. An interrupt of a
 * waiting thread cancels the request and ends the call.
 */
public final class Ticket implements AutoCloseable {
    private final Handle own;
    private final Running request;
    private final Sampling sampling;

    Ticket(MemorySegment pointer, Running request, Sampling sampling) {
        own = new Handle("ticket", pointer, ticket -> {
            request.close();
            Native.ticket_free(ticket);
        });
        this.request = request;
        this.sampling = sampling;
    }

    /**
     * Waits for the next token.
     *
     * @return a token, or the end of a sample; empty at the end of the request
     */
    public Optional<Token> next() {
        try (Running.Watch _ = request.watch()) {
            return next(1);
        }
    }

    /**
     * The next token, without waiting.
     *
     * @return a token, or the end of a sample, or nothing
     */
    public Optional<Token> poll() {
        return next(0);
    }

    private Optional<Token> next(int wait) {
        try (Frame frame = new Frame(); Handle.Use ticket = own.use()) {
            MemorySegment event = frame.struct(Native.event.LAYOUT);
            while (true) {
                frame.check(Native.ticket_next(ticket.at(), wait, event, frame.error));
                int kind = event.get(I, Native.event.kind);
                if (kind == Native.EVENT_DONE || kind == Native.EVENT_NONE) {
                    return Optional.empty();
                }
                Token token = Upcalls.token(event);
                if (token != null) {
                    return Optional.of(token);
                }
            }
        }
    }

    /**
     * Waits for the end of the request, skips its tokens, and returns its samples. They can be fetched once.
     *
     * @return the samples
     * @throws CodegeexException what ended the request; an exception of a sampler is thrown as it is
     */
    public List<Completion> await() {
        try (Frame frame = new Frame(); Handle.Use ticket = own.use(); Running.Watch _ = request.watch()) {
            MemorySegment out = frame.pointer();
            int status = Native.ticket_wait(ticket.at(), out, frame.error);
            List<Completion> completions = Completion.take(Frame.at(out));
            sampling.end(frame, status);
            return completions;
        }
    }

    /** Cancels the request, from any thread. It still receives its last tokens. */
    public void cancel() {
        try (Frame frame = new Frame(); Handle.Use ticket = own.use()) {
            frame.check(Native.ticket_cancel(ticket.at(), frame.error));
        }
    }

    /** Cancels the request and frees the ticket. */
    @Override
    public void close() {
        // Another thread may wait, which keeps the handle until it is back.
        request.cancel();
        own.close();
    }
}
