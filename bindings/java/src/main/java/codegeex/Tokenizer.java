package codegeex;

import java.lang.foreign.MemorySegment;
import java.nio.file.Path;

/** A tokenizer: text to token ids and back. Immutable. */
public final class Tokenizer implements AutoCloseable {
    final Handle own;

    Tokenizer(MemorySegment pointer) {
        own = new Handle("tokenizer", pointer, Native::tokenizer_free);
    }

    /** Creates the built-in tokenizer of the published CodeGeeX checkpoints. */
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
     * Opens a tokenizer: a file {@code tokenizer.json} or {@code tokenizer.model}, or a folder with one
     * of them or with {@code vocab.json}, {@code merges.txt} and {@code added_tokens.json}.
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
     * Encodes a text to token ids. Special tokens in it are encoded as plain text.
     *
     * @param text the text
     * @return the ids
     */
    public int[] encode(String text) {
        return encode(text, SpecialTokens.AS_TEXT);
    }

    /**
     * Encodes a text to token ids.
     *
     * @param text the text
     * @param special how special tokens are encoded
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
     * Decodes token ids to text. Ids may end inside a character.
     *
     * @param ids the ids
     * @param invalid how invalid UTF-8 is handled
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
     * The bytes of a token, which may end inside a character.
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
     * The vocabulary size: one more than the largest id.
     *
     * @return the size
     */
    public int vocabSize() {
        try (Handle.Use tokenizer = own.use()) {
            return Math.toIntExact(Native.tokenizer_vocab_size(tokenizer.at()));
        }
    }

    /**
     * The end-of-text id.
     *
     * @return the id
     */
    public int endOfText() {
        try (Handle.Use tokenizer = own.use()) {
            return Native.tokenizer_end_of_text(tokenizer.at());
        }
    }

    /**
     * Creates a decoder at the beginning of a text.
     *
     * @param invalid how invalid UTF-8 is handled
     * @return the decoder
     */
    public Decoder newDecoder(InvalidUtf8 invalid) {
        try (Frame frame = new Frame(); Handle.Use tokenizer = own.use()) {
            MemorySegment out = frame.pointer();
            frame.check(Native.decoder_new(tokenizer.at(), invalid.number, out, frame.error));
            return new Decoder(Frame.at(out));
        }
    }

    /** Frees the tokenizer. Models and decoders that use it remain valid. */
    @Override
    public void close() {
        own.close();
    }
}
