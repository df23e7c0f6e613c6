package codegeex;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/** The state of one sequence: its KV cache. */
public final class State implements AutoCloseable {
    private final Handle own;

    State(MemorySegment pointer) {
        own = new Handle("state", pointer, Native::state_free);
    }

    /**
     * Prefill: processes any number of prompt tokens, in chunks, without logits. Pass the last token to {@link
     * #decode}. After an error the state holds the chunks that were processed before it.
     *
     * @param ids the tokens
     * @param cancel cancels the call when it is set, or null
     */
    public void prefill(int[] ids, CancelToken cancel) {
        try (Frame frame = new Frame(); Handle.Use state = own.use(); Running running = new Running(cancel)) {
            Frame.Array at = frame.ids(ids);
            frame.check(Native.state_prefill(state.at(), at.at(), at.len(), running.token(), frame.error));
        }
    }

    /**
     * Processes one or more tokens. The logits are bit-identical for any chunking of the tokens. After an error
     * the state is unchanged.
     *
     * @param ids the tokens
     * @param wanted which logits
     * @param cancel cancels the call when it is set, or null
     * @return the logits
     */
    public Logits decode(int[] ids, Wanted wanted, CancelToken cancel) {
        try (Frame frame = new Frame(); Handle.Use state = own.use(); Running running = new Running(cancel)) {
            Frame.Array at = frame.ids(ids);
            MemorySegment out = frame.pointer();
            frame.check(Native.state_decode(
                    state.at(), at.at(), at.len(), wanted.number, running.token(), out, frame.error));
            return new Logits(Frame.at(out));
        }
    }

    /**
     * Batched decode: processes one token for each of several distinct states of one model, reading the weights
     * once. After an error all states are unchanged.
     *
     * @param states the states
     * @param ids a token for each
     * @param cancel cancels the call when it is set, or null
     * @return logits, a row for each state
     */
    public static Logits decode(List<State> states, int[] ids, CancelToken cancel) {
        if (states.size() != ids.length) {
            throw new IllegalArgumentException(states.size() + " states and " + ids.length + " ids, expected as many");
        }
        List<Handle.Use> uses = new ArrayList<>();
        try (Frame frame = new Frame(); Running running = new Running(cancel)) {
            for (State state : states) {
                uses.add(state.own.use());
            }
            Frame.Array at = frame.pointers(uses.stream().map(Handle.Use::at).toList());
            MemorySegment out = frame.pointer();
            frame.check(Native.states_decode(
                    at.at(), frame.ids(ids).at(), at.len(), running.token(), out, frame.error));
            return new Logits(Frame.at(out));
        } finally {
            uses.forEach(Handle.Use::close);
        }
    }

    /**
     * The number of tokens in the state.
     *
     * @return how many; 0 while a call runs
     */
    public long length() {
        try (Handle.Use state = own.use()) {
            return Native.state_len(state.at());
        }
    }

    /**
     * The size of its memory, including memory shared with forks.
     *
     * @return bytes; 0 while a call runs
     */
    public long bytes() {
        try (Handle.Use state = own.use()) {
            return Native.state_bytes(state.at());
        }
    }

    /**
     * Keeps only the first tokens. A larger number changes nothing.
     *
     * @param tokens how many to keep
     */
    public void truncate(long tokens) {
        try (Frame frame = new Frame(); Handle.Use state = own.use()) {
            frame.check(Native.state_truncate(state.at(), Frame.size(tokens, "tokens"), frame.error));
        }
    }

    /**
     * Copies the state. Memory is shared until one of the two processes new tokens.
     *
     * @return the state
     */
    public State fork() {
        try (Frame frame = new Frame(); Handle.Use state = own.use()) {
            MemorySegment out = frame.pointer();
            frame.check(Native.state_fork(state.at(), out, frame.error));
            return new State(Frame.at(out));
        }
    }

    /**
     * Saves the state.
     *
     * @return bytes for {@link Model#restoreState}
     */
    public byte[] save() {
        try (Frame frame = new Frame(); Handle.Use state = own.use()) {
            MemorySegment out = frame.pointer();
            MemorySegment len = frame.size();
            frame.check(Native.state_save(state.at(), out, len, frame.error));
            return Frame.takeBytes(out, len);
        }
    }

    /** Frees the state. */
    @Override
    public void close() {
        own.close();
    }
}
