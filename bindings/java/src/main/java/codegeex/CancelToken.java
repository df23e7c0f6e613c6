package codegeex;

import java.time.Duration;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/**
 * A flag that cancels running calls. It is set once, from any thread, and never cleared. One token serves any
 * number of calls, also concurrent ones.
 */
public final class CancelToken {
    private final Set<Running> running = ConcurrentHashMap.newKeySet();
    private final long deadline;
    private final boolean timed;
    private volatile boolean cancelled;

    /** Creates a token that is not set. */
    public CancelToken() {
        timed = false;
        deadline = 0;
    }

    private CancelToken(Duration timeout) {
        timed = true;
        deadline = System.nanoTime() + timeout.toNanos();
    }

    /**
     * Creates a token that sets itself after a timeout.
     *
     * @param timeout how long from now, at most 292 years
     * @return the token
     */
    public static CancelToken after(Duration timeout) {
        return new CancelToken(timeout);
    }

    /** Sets the token. Calls that use it return as soon as they see it. */
    public void cancel() {
        cancelled = true;
        running.forEach(Running::cancel);
    }

    /**
     * Whether the token is set.
     *
     * @return whether it is
     */
    public boolean isCancelled() {
        return cancelled || timed && deadline - System.nanoTime() <= 0;
    }

    /** Milliseconds until it sets itself, at least 1; 0 for never. */
    long left() {
        return timed ? Math.max((deadline - System.nanoTime() + 999_999) / 1_000_000, 1) : 0;
    }

    void add(Running call) {
        running.add(call);
        if (isCancelled()) {
            call.cancel();
        }
    }

    void remove(Running call) {
        running.remove(call);
    }
}
