package codegeex;

import java.lang.foreign.MemorySegment;

/**
 * A streaming decoder: takes ids one at a time and returns text as soon as it is final. A token may end inside a
 * character.
 */
public final class Decoder implements AutoCloseable {
    private final Handle own;

    Decoder(MemorySegment pointer) {
        own = new Handle("decoder", pointer, Native::decoder_free);
    }

    /**
     * Adds an id and returns the newly finalized text. If invalid UTF-8 is refused, the decoder drops the invalid
     * bytes and can continue.
     *
     * @param id the id
     * @return the text, which may be empty
     */
    public String push(int id) {
        try (Frame frame = new Frame(); Handle.Use decoder = own.use()) {
            MemorySegment out = frame.pointer();
            MemorySegment len = frame.size();
            frame.check(Native.decoder_push(decoder.at(), id, out, len, frame.error));
            return Frame.takeText(out, len);
        }
    }

    /**
     * Whether bytes of an incomplete character are held back.
     *
     * @return whether bytes are held back
     */
    public boolean isPending() {
        try (Handle.Use decoder = own.use()) {
            return Native.decoder_is_pending(decoder.at()) != 0;
        }
    }

    /**
     * Ends the text. The decoder can then start another one.
     *
     * @return U+FFFD for incomplete bytes, unless they are refused
     */
    public String finish() {
        try (Frame frame = new Frame(); Handle.Use decoder = own.use()) {
            MemorySegment out = frame.pointer();
            MemorySegment len = frame.size();
            frame.check(Native.decoder_finish(decoder.at(), out, len, frame.error));
            return Frame.takeText(out, len);
        }
    }

    /** Frees the decoder. */
    @Override
    public void close() {
        own.close();
    }
}
