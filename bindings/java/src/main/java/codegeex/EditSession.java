package codegeex;

import static codegeex.Native.I;
import static codegeex.Native.L;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/** Suggests code at a cursor while the text around it changes. It keeps what it needs of the model. */
public final class EditSession implements AutoCloseable {
    private final Handle own;

    EditSession(MemorySegment pointer) {
        own = new Handle("edit session", pointer, Native::edit_session_free);
    }

    /**
     * Takes the text in, as it is now. Computes nothing.
     *
     * @param before the text before the cursor
     * @param after the text after the cursor
     * @return what that changed
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
     * Suggests what might follow the cursor: what there is already and agrees with the text, or else what the
     * model says. Cancelled, it suggests what there is by then.
     *
     * @param listener hears of that as it comes, before post-processing, and may end it, or null
     * @param cancel ends the call when it is set, or null
     * @return the suggestions, best first
     */
    public List<String> suggest(TokenListener listener, CancelToken cancel) {
        try (Frame frame = new Frame(); Handle.Use session = own.use(); Running running = new Running(cancel)) {
            MemorySegment count = frame.size();
            if (listener == null) {
                frame.check(Native.edit_session_suggest(session.at(), running.token(), MemorySegment.NULL,
                        MemorySegment.NULL, count, frame.error));
                return suggestions();
            }
            try (Upcalls.Events events = new Upcalls.Events(listener)) {
                frame.check(Native.edit_session_suggest(session.at(), running.token(), Upcalls.EVENT,
                        events.userdata(), count, frame.error));
                events.rethrow();
                return suggestions();
            }
        }
    }

    /**
     * The suggestions that agree with the text as it is now.
     *
     * @return what of each is not typed or accepted yet, best first; none while a call runs
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
     * @param what how much of it
     * @return what was inserted; nothing where there is no suggestion
     */
    public String accept(Accept what) {
        try (Frame frame = new Frame(); Handle.Use session = own.use()) {
            MemorySegment out = frame.pointer();
            MemorySegment len = frame.size();
            frame.check(Native.edit_session_accept(session.at(), what.number, out, len, frame.error));
            return Frame.takeText(out, len);
        }
    }

    /** Drops the suggestions, so that the next ones are computed. */
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
