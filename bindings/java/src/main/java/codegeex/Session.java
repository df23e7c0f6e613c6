package codegeex;

import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.List;

/**
 * A sequence with its KV cache, kept between calls. A prompt that shares a prefix with it is computed only from
 * the first different token. Results do not depend on the cache.
 */
public final class Session implements Generator, AutoCloseable {
    private final Handle own;
    private final Generation generation;

    Session(MemorySegment pointer) {
        own = new Handle("session", pointer, Native::session_free);
        generation = new Generation(own, Native::session_generate, Native::session_generate_from);
    }

    /** Completes a prompt. Afterwards the session holds the prompt and the first sample. */
    @Override
    public List<Completion> generate(Prompt prompt, GenerateOptions options, TokenListener listener, CancelToken cancel) {
        return generation.run(prompt, options, listener, cancel);
    }

    @Override
    public TokenStream stream(Prompt prompt, GenerateOptions options, CancelToken cancel) {
        return new TokenStream(generation, prompt, options, cancel);
    }

    /**
     * The tokens in the KV cache.
     *
     * @return the ids
     */
    public int[] ids() {
        try (Frame frame = new Frame(); Handle.Use session = own.use()) {
            MemorySegment out = frame.pointer();
            MemorySegment len = frame.size();
            frame.check(Native.session_ids(session.at(), out, len, frame.error));
            return Frame.takeInts(out, len);
        }
    }

    /**
     * Number of tokens of the last prompt that were reused from the cache.
     *
     * @return how many; 0 while a call runs
     */
    public long reused() {
        try (Handle.Use session = own.use()) {
            return Native.session_reused(session.at());
        }
    }

    /**
     * Number of tokens of the last prompt that were computed.
     *
     * @return how many; 0 while a call runs
     */
    public long computed() {
        try (Handle.Use session = own.use()) {
            return Native.session_computed(session.at());
        }
    }

    /**
     * The size of the KV cache.
     *
     * @return bytes; 0 while a call runs
     */
    public long bytes() {
        try (Handle.Use session = own.use()) {
            return Native.session_bytes(session.at());
        }
    }

    /**
     * Keeps only the first tokens. A larger number changes nothing.
     *
     * @param tokens how many to keep
     */
    public void truncate(long tokens) {
        try (Frame frame = new Frame(); Handle.Use session = own.use()) {
            frame.check(Native.session_truncate(session.at(), Frame.size(tokens, "tokens"), frame.error));
        }
    }

    /**
     * Saves the session.
     *
     * @return bytes for {@link Model#restoreSession(byte[])}
     */
    public byte[] save() {
        try (Frame frame = new Frame(); Handle.Use session = own.use()) {
            MemorySegment out = frame.pointer();
            MemorySegment len = frame.size();
            frame.check(Native.session_save(session.at(), out, len, frame.error));
            return Frame.takeBytes(out, len);
        }
    }

    /**
     * Saves the session to a file. The write is atomic, and only the owner can read the file.
     *
     * @param path the file
     */
    public void save(Path path) {
        try (Frame frame = new Frame(); Handle.Use session = own.use()) {
            Frame.Array at = frame.text(path.toString());
            frame.check(Native.session_save_file(session.at(), at.at(), at.len(), frame.error));
        }
    }

    /** Frees the session. */
    @Override
    public void close() {
        own.close();
    }
}
