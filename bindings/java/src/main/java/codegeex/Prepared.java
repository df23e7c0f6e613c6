package codegeex;

import java.lang.foreign.MemorySegment;
import java.util.List;

/** Options for one call, with samplers of its own. */
final class Prepared implements AutoCloseable {
    private final Handle.Use options;
    private final Handle copy;
    private final Sampling sampling;

    /** Options without samplers. */
    Prepared(Handle.Use options) {
        this.options = options;
        copy = null;
        sampling = new Sampling(List.of());
    }

    /** A copy of options, with samplers. */
    Prepared(Handle copy, Sampling sampling) {
        options = copy.use();
        this.copy = copy;
        this.sampling = sampling;
    }

    MemorySegment at() {
        return options.at();
    }

    Sampling sampling() {
        return sampling;
    }

    @Override
    public void close() {
        options.close();
        if (copy != null) {
            copy.close();
        }
    }
}
