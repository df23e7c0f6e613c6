package codegeex;

import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.List;

/**
 * The tokens that a model was fed last, with their keys and values: a prompt that begins with the same
 * tokens is computed from where it differs. Answers do not depend on that.
 */
public final class Session implements Generator, AutoCloseable {
    private final Handle own;
    private final Generation generation;

    Session(MemorySegment pointer) {
        own = new Handle("session", pointer, Native::session_free);
        generation = new Generation(own, Native::session_generate, Native::session_generate_from);
    }

    /** Completes a prompt. Afterwards the session keeps it, and what the first sample was fed. */
    @Override
    public List<Completion> generate(Prompt prompt, GenerateOptions options, TokenListener listener, CancelToken cancel) {
        return generation.run(prompt, options, listener, cancel);
    }

    @Override
    public TokenStream stream(Prompt prompt, GenerateOptions options, CancelToken cancel) {
        return new TokenStream(generation, prompt, options, cancel);
    }

    /**
     * The tokens whose keys and values are kept.
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
     * How many tokens of the last prompt did not have to be computed.
     *
     * @return how many; 0 while a call runs
     */
    public long reused() {
        try (Handle.Use session = own.use()) {
            return Native.session_reused(session.at());
        }
    }

    /**
     * How many tokens of the last prompt were computed.
     *
     * @return how many; 0 while a call runs
     */
    public long computed() {
        try (Handle.Use session = own.use()) {
            return Native.session_computed(session.at());
        }
    }

    /**
     * The size of the keys and values that are kept.
     *
     * @return bytes; 0 while a call runs
     */
    public long bytes() {
        try (Handle.Use session = own.use()) {
            return Native.session_bytes(session.at());
        }
    }

    /**
     * Forgets all but the first tokens; more than there are changes nothing.
     *
     * @param tokens how many to keep
     */
    public void truncate(long tokens) {
        try (Frame frame = new Frame(); Handle.Use session = own.use()) {
            frame.check(Native.session_truncate(session.at(), Frame.size(tokens, "tokens"), frame.error));
        }
    }

    /**
     * Saves what the session keeps.
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
     * Saves what the session keeps to a file, which is complete or as before; nobody else may read it.
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
