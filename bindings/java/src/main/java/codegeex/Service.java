package codegeex;

import static codegeex.Native.L;

import java.lang.foreign.MemorySegment;

/**
 * Runs requests from any number of threads in one batch (continuous batching): each step reads the weights once
 * for all of them. It runs its own thread.
 */
public final class Service implements AutoCloseable {
    private final Handle own;

    Service(MemorySegment pointer) {
        own = new Handle("service", pointer, Native::service_free);
    }

    /**
     * Submits a request. Errors of the request itself are thrown by its ticket.
     *
     * @param prompt the prompt
     * @param options the options, or null for the defaults
     * @param whenFull what happens when the queue is full
     * @param cancel cancels the request when it is set, or null
     * @return the ticket, to be closed
     */
    public Ticket submit(Prompt prompt, GenerateOptions options, WhenFull whenFull, CancelToken cancel) {
        Running running = new Running(cancel);
        try (Frame frame = new Frame(); Handle.Use service = own.use(); Prepared set = GenerateOptions.prepare(options)) {
            MemorySegment out = frame.pointer();
            int status = switch (prompt) {
                case Prompt.Text(String text) -> {
                    Frame.Array at = frame.text(text);
                    yield Native.service_submit(service.at(), at.at(), at.len(), set.at(), whenFull.number,
                            running.token(), out, frame.error);
                }
                case Prompt.Ids(int[] ids) -> {
                    Frame.Array at = frame.ids(ids);
                    yield Native.service_submit_from(service.at(), at.at(), at.len(), set.at(), whenFull.number,
                            running.token(), out, frame.error);
                }
            };
            frame.check(status);
            running.detach();
            return new Ticket(Frame.at(out), running, set.sampling());
        } catch (RuntimeException | Error e) {
            running.close();
            throw e;
        }
    }

    /**
     * Submits a request for a text. It blocks while the queue is full.
     *
     * @param prompt the text to continue
     * @param options the options, or null for the defaults
     * @return the ticket, to be closed
     */
    public Ticket submit(String prompt, GenerateOptions options) {
        return submit(Prompt.of(prompt), options, WhenFull.WAIT, null);
    }

    /**
     * Returns the load of the service.
     *
     * @return the load
     */
    public ServiceProgress progress() {
        try (Frame frame = new Frame(); Handle.Use service = own.use()) {
            MemorySegment out = frame.struct(Native.service_progress.LAYOUT);
            frame.check(Native.service_get_progress(service.at(), out, frame.error));
            return new ServiceProgress(out.get(L, Native.service_progress.waiting),
                    out.get(L, Native.service_progress.running), out.get(L, Native.service_progress.sequences),
                    out.get(L, Native.service_progress.cache_bytes), out.get(L, Native.service_progress.reused_tokens));
        }
    }

    /** Cancels running requests and waits for the service's thread to end. Tickets still receive their last tokens. */
    @Override
    public void close() {
        own.close();
    }
}
