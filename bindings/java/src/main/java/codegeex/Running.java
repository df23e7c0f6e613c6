package codegeex;

import java.lang.foreign.MemorySegment;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.locks.LockSupport;

/**
 * A call that can be cancelled: by tokens, and by an interrupt of its thread, for which a thread of ours
 * looks a hundred times a second as long as there are such calls.
 */
final class Running implements AutoCloseable {
    private static final Set<Running> WATCHED = ConcurrentHashMap.newKeySet();
    /** Whether the watcher has nothing to do. It says so before it looks, so that nobody is missed. */
    private static volatile boolean idle;

    private static final Thread WATCHER = new Thread(Running::watch, "codegeex-interrupts");

    static {
        WATCHER.setDaemon(true);
        WATCHER.start();
    }

    private final Thread thread;
    private final CancelToken[] tokens;
    private final MemorySegment token;
    private boolean closed;

    /** Begins a call; tokens may be null. */
    Running(CancelToken... tokens) {
        thread = Thread.currentThread();
        this.tokens = tokens;
        long timeout = 0;
        for (CancelToken of : tokens) {
            long left = of == null ? 0 : of.left();
            timeout = timeout == 0 || left != 0 && left < timeout ? left : timeout;
        }
        try (Frame frame = new Frame()) {
            MemorySegment out = frame.pointer();
            frame.check(Native.cancel_token_new(timeout, out, frame.error));
            token = Frame.at(out);
        }
        for (CancelToken of : tokens) {
            if (of != null) {
                of.add(this);
            }
        }
        if (thread.isInterrupted()) {
            cancel();
        }
        WATCHED.add(this);
        if (idle) {
            LockSupport.unpark(WATCHER);
        }
    }

    MemorySegment token() {
        return token;
    }

    synchronized void cancel() {
        if (!closed) {
            Native.cancel_token_cancel(token, MemorySegment.NULL);
        }
    }

    @Override
    public void close() {
        WATCHED.remove(this);
        for (CancelToken of : tokens) {
            if (of != null) {
                of.remove(this);
            }
        }
        synchronized (this) {
            closed = true;
            Native.cancel_token_free(token);
        }
    }

    private static void watch() {
        while (true) {
            idle = true;
            if (WATCHED.isEmpty()) {
                LockSupport.park(WATCHED);
            } else {
                idle = false;
                LockSupport.parkNanos(WATCHED, 10_000_000);
            }
            for (Running call : WATCHED) {
                if (call.thread.isInterrupted()) {
                    call.cancel();
                }
            }
        }
    }
}
