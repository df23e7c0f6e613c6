package codegeex;

import java.lang.foreign.MemorySegment;
import java.lang.ref.Cleaner;
import java.lang.ref.Reference;
import java.util.function.Consumer;

/**
 * Owns one handle of the library. It is freed once, when it was closed or became garbage and no call
 * uses it any more: closing while a call runs is safe, and does not wait.
 */
final class Handle {
    private static final Cleaner CLEANER = Cleaner.create();

    private final Owned owned;
    private final Cleaner.Cleanable cleanable;

    Handle(String what, MemorySegment pointer, Consumer<MemorySegment> free) {
        owned = new Owned(what, pointer, free);
        cleanable = CLEANER.register(this, owned);
    }

    /** Lends the pointer for a call. */
    Use use() {
        try {
            return owned.acquire();
        } finally {
            // Otherwise the handle may become garbage between its last use and the count.
            Reference.reachabilityFence(this);
        }
    }

    void close() {
        cleanable.clean();
    }

    /** A pointer that is valid until this is closed. */
    interface Use extends AutoCloseable {
        MemorySegment at();

        @Override
        void close();
    }

    /** NULL, which needs no owner. */
    static final Use NULL = new Use() {
        @Override
        public MemorySegment at() {
            return MemorySegment.NULL;
        }

        @Override
        public void close() {}
    };

    /** The state of the cleaner, which must not refer to the handle. */
    private static final class Owned implements Runnable, Use {
        private final String what;
        private final MemorySegment pointer;
        private final Consumer<MemorySegment> free;
        private int users;
        private boolean closed;

        Owned(String what, MemorySegment pointer, Consumer<MemorySegment> free) {
            this.what = what;
            this.pointer = pointer;
            this.free = free;
        }

        synchronized Use acquire() {
            if (closed) {
                throw new IllegalStateException("this " + what + " was closed");
            }
            users++;
            return this;
        }

        @Override
        public MemorySegment at() {
            return pointer;
        }

        /** Ends a use. */
        @Override
        public void close() {
            boolean last;
            synchronized (this) {
                users--;
                last = closed && users == 0;
            }
            if (last) {
                free.accept(pointer);
            }
        }

        /** Closes the handle. */
        @Override
        public void run() {
            boolean last;
            synchronized (this) {
                last = !closed && users == 0;
                closed = true;
            }
            if (last) {
                free.accept(pointer);
            }
        }
    }
}
