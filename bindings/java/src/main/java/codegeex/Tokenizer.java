package codegeex;

import java.lang.foreign.MemorySegment;
import java.nio.file.Path;

/** Text to token ids and back. It never changes. */
public final class Tokenizer implements AutoCloseable {
    final Handle own;

    Tokenizer(MemorySegment pointer) {
        own = new Handle("tokenizer", pointer, Native::tokenizer_free);
    }

    /** Makes the tokenizer of CodeGeeX's published checkpoints, which is compiled in. */
    public Tokenizer() {
        this(compiledIn());
    }

    private static MemorySegment compiledIn() {
        try (Frame frame = new Frame()) {
            MemorySegment out = frame.pointer();
            frame.check(Native.tokenizer_new(out, frame.error));
            return Frame.at(out);
        }
    }

    /**
     * Reads {@code vocab.json}, {@code merges.txt} and {@code added_tokens.json} in a folder.
     *
     * @param folder the folder
     * @return the tokenizer
     */
    public static Tokenizer fromFolder(Path folder) {
        try (Frame frame = new Frame()) {
            Frame.Array at = frame.text(folder.toString());
            MemorySegment out = frame.pointer();
            frame.check(Native.tokenizer_from_folder(at.at(), at.len(), out, frame.error));
            return new Tokenizer(Frame.at(out));
        }
    }

    /**
     * The ids of a text; special tokens that are spelled out are text like any other.
     *
     * @param text the text
     * @return the ids
     */
    public int[] encode(String text) {
        return encode(text, SpecialTokens.AS_TEXT);
    }

    /**
     * The ids of a text.
     *
     * @param text the text
     * @param special what a special token means that is spelled out
     * @return the ids
     */
    public int[] encode(String text, SpecialTokens special) {
        try (Frame frame = new Frame(); Handle.Use tokenizer = own.use()) {
            Frame.Array at = frame.text(text);
            MemorySegment out = frame.pointer();
            MemorySegment len = frame.size();
            frame.check(Native.tokenizer_encode(
                    tokenizer.at(), at.at(), at.len(), special.number, out, len, frame.error));
            return Frame.takeInts(out, len);
        }
    }

    /**
     * The text of ids, which may end inside a character.
     *
     * @param ids the ids
     * @param invalid what becomes of bytes that are not UTF-8
     * @return the text
     */
    public String decode(int[] ids, InvalidUtf8 invalid) {
        try (Frame frame = new Frame(); Handle.Use tokenizer = own.use()) {
            Frame.Array at = frame.ids(ids);
            MemorySegment out = frame.pointer();
            MemorySegment len = frame.size();
            frame.check(Native.tokenizer_decode(
                    tokenizer.at(), at.at(), at.len(), invalid.number, out, len, frame.error));
            return Frame.takeText(out, len);
        }
    }

    /**
     * The bytes that an id stands for, which may end inside a character.
     *
     * @param id the id
     * @return the bytes
     */
    public byte[] tokenBytes(int id) {
        try (Frame frame = new Frame(); Handle.Use tokenizer = own.use()) {
            MemorySegment out = frame.pointer();
            MemorySegment len = frame.size();
            frame.check(Native.tokenizer_token_bytes(tokenizer.at(), id, out, len, frame.error));
            return Frame.takeBytes(out, len);
        }
    }

    /**
     * One more than the largest id.
     *
     * @return the size
     */
    public int vocabSize() {
        try (Handle.Use tokenizer = own.use()) {
            return Math.toIntExact(Native.tokenizer_vocab_size(tokenizer.at()));
        }
    }

    /**
     * The id that ends a text.
     *
     * @return the id
     */
    public int endOfText() {
        try (Handle.Use tokenizer = own.use()) {
            return Native.tokenizer_end_of_text(tokenizer.at());
        }
    }

    /**
     * Makes a decoder at the beginning of a text.
     *
     * @param invalid what becomes of bytes that are not UTF-8
     * @return the decoder
     */
    public Decoder newDecoder(InvalidUtf8 invalid) {
        try (Frame frame = new Frame(); Handle.Use tokenizer = own.use()) {
            MemorySegment out = frame.pointer();
            frame.check(Native.decoder_new(tokenizer.at(), invalid.number, out, frame.error));
            return new Decoder(Frame.at(out));
        }
    }

    /** Frees the tokenizer. Models and decoders that use it go on. */
    @Override
    public void close() {
        own.close();
    }
}
