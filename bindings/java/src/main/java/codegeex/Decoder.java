package codegeex;

import java.lang.foreign.MemorySegment;

/** Decodes ids one after the other, and gives out text as soon as it is certain: a token may end inside a character. */
public final class Decoder implements AutoCloseable {
    private final Handle own;

    Decoder(MemorySegment pointer) {
        own = new Handle("decoder", pointer, Native::decoder_free);
    }

    /**
     * The text that an id completes. Where bytes that cannot become a character are refused, they are
     * dropped, and the decoder goes on with the next call.
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
     * Whether bytes are held back.
     *
     * @return whether they are
     */
    public boolean isPending() {
        try (Handle.Use decoder = own.use()) {
            return Native.decoder_is_pending(decoder.at()) != 0;
        }
    }

    /**
     * Ends the text. Afterwards the decoder is at the beginning of another one.
     *
     * @return what was held back, as U+FFFD if it is not refused
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
