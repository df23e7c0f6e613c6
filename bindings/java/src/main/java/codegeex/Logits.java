package codegeex;

import static codegeex.Native.F;
import static codegeex.Native.L;

import java.lang.foreign.MemorySegment;
import java.util.List;

/** The logits of a call, one row per token. Immutable. */
public final class Logits implements AutoCloseable {
    private final Handle own;

    Logits(MemorySegment pointer) {
        own = new Handle("logits", pointer, Native::logits_free);
    }

    /**
     * Number of rows.
     *
     * @return how many
     */
    public int rows() {
        try (Handle.Use logits = own.use()) {
            return Math.toIntExact(Native.logits_rows(logits.at()));
        }
    }

    /**
     * Number of logits per row.
     *
     * @return how many
     */
    public int vocabSize() {
        try (Handle.Use logits = own.use()) {
            return Math.toIntExact(Native.logits_vocab_size(logits.at()));
        }
    }

    /**
     * A row.
     *
     * @param row the index of the row, from 0
     * @return a copy
     */
    public float[] row(int row) {
        try (Frame frame = new Frame(); Handle.Use logits = own.use()) {
            MemorySegment len = frame.size();
            MemorySegment at = Native.logits_row(logits.at(), Frame.size(row, "row"), len);
            if (at.address() == 0) {
                throw new IndexOutOfBoundsException("there is no row " + row);
            }
            return Frame.floats(at, len.get(L, 0));
        }
    }

    /**
     * The log-probability of an id given a row of logits.
     *
     * @param row the index of the row, from 0
     * @param id the id
     * @return its log-probability
     */
    public float logProbability(int row, int id) {
        try (Frame frame = new Frame(); Handle.Use logits = own.use()) {
            MemorySegment out = frame.number();
            frame.check(Native.logits_log_probability(logits.at(), Frame.size(row, "row"), id, out, frame.error));
            return out.get(F, 0);
        }
    }

    /**
     * The most likely ids of a row.
     *
     * @param row the index of the row, from 0
     * @param count how many
     * @return the ids, best first
     */
    public List<TokenLogprob> top(int row, int count) {
        try (Frame frame = new Frame(); Handle.Use logits = own.use()) {
            MemorySegment out = frame.pointer();
            MemorySegment len = frame.size();
            frame.check(Native.logits_top(
                    logits.at(), Frame.size(row, "row"), Frame.size(count, "count"), out, len, frame.error));
            return Frame.takePairs(out, len);
        }
    }

    /** Frees the logits. */
    @Override
    public void close() {
        own.close();
    }
}
