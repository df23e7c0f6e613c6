package codegeex;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/** What a model remembers of the tokens of one sequence. */
public final class State implements AutoCloseable {
    private final Handle own;

    State(MemorySegment pointer) {
        own = new Handle("state", pointer, Native::state_free);
    }

    /**
     * Feeds the tokens of a prompt, a part at a time, without computing logits: feed the last token with
     * {@link #decode}. After an error the state has the parts that were fed before it.
     *
     * @param ids the tokens
     * @param cancel ends the call when it is set, or null
     */
    public void prefill(int[] ids, CancelToken cancel) {
        try (Frame frame = new Frame(); Handle.Use state = own.use(); Running running = new Running(cancel)) {
            Frame.Array at = frame.ids(ids);
            frame.check(Native.state_prefill(state.at(), at.at(), at.len(), running.token(), frame.error));
        }
    }

    /**
     * Feeds one or more tokens. In any split of the tokens the logits are the same to the bit. After an
     * error the state is as before.
     *
     * @param ids the tokens
     * @param wanted which logits
     * @param cancel ends the call when it is set, or null
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
     * Feeds one token to each of several different states of one model, and reads the weights once for all.
     * After an error all states are as before.
     *
     * @param states the states
     * @param ids a token for each
     * @param cancel ends the call when it is set, or null
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
     * How many tokens the state was fed, which is the position of the next one.
     *
     * @return how many; 0 while a call runs
     */
    public long length() {
        try (Handle.Use state = own.use()) {
            return Native.state_len(state.at());
        }
    }

    /**
     * The size of its memory, what is shared with forks counted in full.
     *
     * @return bytes; 0 while a call runs
     */
    public long bytes() {
        try (Handle.Use state = own.use()) {
            return Native.state_bytes(state.at());
        }
    }

    /**
     * Forgets all but the first tokens; more than there are changes nothing.
     *
     * @param tokens how many to keep
     */
    public void truncate(long tokens) {
        try (Frame frame = new Frame(); Handle.Use state = own.use()) {
            frame.check(Native.state_truncate(state.at(), Frame.size(tokens, "tokens"), frame.error));
        }
    }

    /**
     * Makes a second state with the same tokens. Memory is shared until one of the two is fed.
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
