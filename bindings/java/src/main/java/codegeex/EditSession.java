package codegeex;

import static codegeex.Native.I;
import static codegeex.Native.L;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/** Inline code suggestions at a cursor while the text around it changes. It keeps the model alive. */
public final class EditSession implements AutoCloseable {
    private final Handle own;
    private final Sampling sampling;

    EditSession(MemorySegment pointer, Sampling sampling) {
        this.sampling = sampling;
        own = new Handle("edit session", pointer, Native::edit_session_free);
    }

    /**
     * Sets the current text. Does not run the model.
     *
     * @param before the text before the cursor
     * @param after the text after the cursor
     * @return the effect of the update
     */
    public EditUpdate update(String before, String after) {
        try (Frame frame = new Frame(); Handle.Use session = own.use()) {
            Frame.Array b = frame.text(before);
            Frame.Array a = frame.text(after);
            MemorySegment out = frame.struct(Native.edit_update.LAYOUT);
            frame.check(Native.edit_session_update(
                    session.at(), b.at(), b.len(), a.at(), a.len(), out, frame.error));
            return new EditUpdate(out.get(L, Native.edit_update.clipped_bytes),
                    out.get(L, Native.edit_update.clipped_lines), out.get(I, Native.edit_update.moved) != 0,
                    out.get(I, Native.edit_update.is_alive) != 0);
        }
    }

    /**
     * Suggests text at the cursor: earlier suggestions that still match the text, or else new ones from the
     * model. If cancelled, it returns the partial result.
     *
     * @param listener receives the tokens as they are sampled, before post-processing, and may end the call, or
     *     null
     * @param cancel cancels the call when it is set, or null
     * @return the suggestions, best first
     */
    public List<String> suggest(TokenListener listener, CancelToken cancel) {
        try (Frame frame = new Frame(); Handle.Use session = own.use(); Running running = new Running(cancel)) {
            MemorySegment count = frame.size();
            if (listener == null) {
                sampling.end(frame, Native.edit_session_suggest(session.at(), running.token(), MemorySegment.NULL,
                        MemorySegment.NULL, count, frame.error));
                return suggestions();
            }
            try (Upcalls.Events events = new Upcalls.Events(listener)) {
                sampling.end(frame, Native.edit_session_suggest(session.at(), running.token(), Upcalls.EVENT,
                        events.userdata(), count, frame.error));
                events.rethrow();
                return suggestions();
            }
        }
    }

    /**
     * The suggestions that match the current text.
     *
     * @return the part of each that is not typed or accepted yet, best first; none while a call runs
     */
    public List<String> suggestions() {
        try (Frame frame = new Frame(); Handle.Use session = own.use()) {
            List<String> all = new ArrayList<>();
            MemorySegment out = frame.pointer();
            MemorySegment len = frame.size();
            for (long i = 0; i < Native.edit_session_suggestions(session.at()); i++) {
                frame.check(Native.edit_session_suggestion(session.at(), i, out, len, frame.error));
                all.add(Frame.takeText(out, len));
            }
            return List.copyOf(all);
        }
    }

    /**
     * Accepts the best suggestion or a part of it, as if it were typed.
     *
     * @param what which part
     * @return what was inserted; nothing if there is no suggestion
     */
    public String accept(Accept what) {
        try (Frame frame = new Frame(); Handle.Use session = own.use()) {
            MemorySegment out = frame.pointer();
            MemorySegment len = frame.size();
            frame.check(Native.edit_session_accept(session.at(), what.number, out, len, frame.error));
            return Frame.takeText(out, len);
        }
    }

    /** Drops the suggestions. The next call computes new ones. */
    public void dismiss() {
        try (Frame frame = new Frame(); Handle.Use session = own.use()) {
            frame.check(Native.edit_session_dismiss(session.at(), frame.error));
        }
    }

    /** Frees the session. */
    @Override
    public void close() {
        own.close();
    }
}
