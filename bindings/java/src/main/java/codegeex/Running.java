package codegeex;

import java.lang.foreign.MemorySegment;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.locks.LockSupport;

/**
 * A call that can be cancelled by tokens and by an interrupt of its thread. A watcher thread polls for interrupts
 * 100 times a second while such calls run.
 */
final class Running implements AutoCloseable {
    private static final Set<Watch> WATCHED = ConcurrentHashMap.newKeySet();
    /** Whether the watcher is idle. It sets this before it checks, so that no thread is missed. */
    private static volatile boolean idle;

    private static final Thread WATCHER = new Thread(Running::lookAtAll, "codegeex-interrupts");

    static {
        WATCHER.setDaemon(true);
        WATCHER.start();
    }

    private final CancelToken[] tokens;
    private final MemorySegment token;
    private final Watch watch;
    private boolean closed;

    /** Begins a call; tokens may be null. */
    Running(CancelToken... tokens) {
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
        watch = watch();
    }

    /** A thread that waits, and whose interrupt cancels the call. */
    final class Watch implements AutoCloseable {
        private final Thread thread = Thread.currentThread();

        private void look() {
            if (thread.isInterrupted()) {
                cancel();
            }
        }

        @Override
        public void close() {
            WATCHED.remove(this);
        }
    }

    /** Looks at interrupts of this thread until it is closed. */
    Watch watch() {
        Watch watch = new Watch();
        watch.look();
        WATCHED.add(watch);
        if (idle) {
            LockSupport.unpark(WATCHER);
        }
        return watch;
    }

    /** Stops watching the thread that started the call; the call continues. */
    void detach() {
        watch.close();
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
        watch.close();
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

    private static void lookAtAll() {
        while (true) {
            idle = true;
            if (WATCHED.isEmpty()) {
                LockSupport.park(WATCHED);
            } else {
                idle = false;
                LockSupport.parkNanos(WATCHED, 10_000_000);
            }
            WATCHED.forEach(Watch::look);
        }
    }
}
