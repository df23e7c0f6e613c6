package codegeex;

import static codegeex.Native.I;

import java.lang.foreign.MemorySegment;

/** Finds where code ends while text is added piece by piece. It serves one call at a time. */
public final class CodeStop implements AutoCloseable {
    private final Handle own;

    /**
     * Creates a code stop for a completion.
     *
     * @param language the name of the language
     * @param rules a comma-separated list of {@code line}, {@code block}, {@code function}, {@code unindented},
     *     {@code humaneval}; the first that matches ends the completion
     * @param before the text left of the cursor, which the completion follows
     */
    public CodeStop(String language, String rules, String before) {
        try (Frame frame = new Frame()) {
            Frame.Array l = frame.text(language);
            Frame.Array r = frame.text(rules);
            Frame.Array b = frame.text(before);
            MemorySegment out = frame.pointer();
            frame.check(Native.code_stop_new(l.at(), l.len(), r.at(), r.len(), b.at(), b.len(), out, frame.error));
            own = new Handle("code stop", Frame.at(out), Native::code_stop_free);
        }
    }

    /**
     * Adds a piece of the completion.
     *
     * @param piece the piece
     * @return the text that is certainly part of the completion, which may be empty. Text that is added after a
     *     rule matched is dropped.
     */
    public CodeText push(String piece) {
        try (Frame frame = new Frame(); Handle.Use stop = own.use()) {
            Frame.Array p = frame.text(piece);
            MemorySegment out = frame.pointer();
            MemorySegment len = frame.size();
            MemorySegment reason = frame.size();
            frame.check(Native.code_stop_push(stop.at(), p.at(), p.len(), out, len, reason, frame.error));
            return new CodeText(Frame.takeText(out, len), FinishReason.of(reason.get(I, 0)));
        }
    }

    /**
     * Ends the completion.
     *
     * @return the text that was held back, which may be empty
     */
    public String finish() {
        try (Frame frame = new Frame(); Handle.Use stop = own.use()) {
            MemorySegment out = frame.pointer();
            MemorySegment len = frame.size();
            frame.check(Native.code_stop_finish(stop.at(), out, len, frame.error));
            return Frame.takeText(out, len);
        }
    }

    /** Frees the code stop. */
    @Override
    public void close() {
        own.close();
    }
}
