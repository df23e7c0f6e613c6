package codegeex;

import static codegeex.Native.D;
import static codegeex.Native.L;

import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/** A loaded checkpoint with its tokenizer. Immutable and safe for concurrent use. */
public final class Model implements Generator, AutoCloseable {
    final Handle own;
    private final Generation generation;

    private Model(MemorySegment pointer) {
        own = new Handle("model", pointer, Native::model_free);
        generation = new Generation(own, Native::model_generate, Native::model_generate_from);
    }

    /**
     * Opens a checkpoint with the usual options: a {@code .pt} file, a folder of {@code mp_rank_*} shards, or
     * safetensors.
     *
     * @param path the file or folder
     * @return the model
     */
    public static Model open(Path path) {
        return open(path, null, null, null);
    }

    /**
     * Opens a checkpoint.
     *
     * @param path the file or folder
     * @param options the options, or null for the defaults
     * @return the model
     */
    public static Model open(Path path, OpenOptions options) {
        return open(path, options, null, null);
    }

    /**
     * Opens a checkpoint.
     *
     * @param path the file or folder
     * @param options the options, or null for the defaults
     * @param progress receives the bytes copied and the total, or null
     * @param cancel cancels the call when it is set, or null
     * @return the model
     */
    public static Model open(Path path, OpenOptions options, ProgressListener progress, CancelToken cancel) {
        try (Frame frame = new Frame();
                Handle.Use set = OpenOptions.use(options);
                Running running = new Running(cancel)) {
            Frame.Array at = frame.text(path.toString());
            MemorySegment out = frame.pointer();
            withProgress(frame, progress, (callback, userdata) -> Native.model_open(
                    at.at(), at.len(), set.at(), running.token(), callback, userdata, out, frame.error),
                    () -> Native.model_free(Frame.at(out)));
            return new Model(Frame.at(out));
        }
    }

    /** A call with a progress callback. */
    @FunctionalInterface
    interface ProgressCall {
        int call(MemorySegment callback, MemorySegment userdata);
    }

    /** Makes a call with a listener, which may be null; undo frees the result if the listener threw. */
    static void withProgress(Frame frame, ProgressListener listener, ProgressCall call, Runnable undo) {
        if (listener == null) {
            frame.check(call.call(MemorySegment.NULL, MemorySegment.NULL));
            return;
        }
        try (Upcalls.Progress progress = new Upcalls.Progress(listener)) {
            int status = call.call(Upcalls.PROGRESS, progress.userdata());
            try {
                progress.rethrow();
            } catch (Throwable t) {
                if (status == Native.OK) {
                    undo.run();
                } else {
                    Native.error_free(Frame.at(frame.error));
                }
                throw t;
            }
            frame.check(status);
        }
    }

    /**
     * Estimates the memory that a checkpoint needs, without loading it.
     *
     * @param path the file or folder
     * @param options how it will be opened, or null for the defaults
     * @param sequences the number of concurrent sequences
     * @param contextLength the number of tokens of each
     * @return the bytes
     */
    public static MemoryEstimate estimateMemory(Path path, OpenOptions options, long sequences, long contextLength) {
        try (Frame frame = new Frame(); Handle.Use set = OpenOptions.use(options)) {
            Frame.Array at = frame.text(path.toString());
            MemorySegment out = frame.struct(Native.memory_estimate.LAYOUT);
            frame.check(Native.estimate_memory(at.at(), at.len(), set.at(), Frame.size(sequences, "sequences"),
                    Frame.size(contextLength, "contextLength"), out, frame.error));
            return new MemoryEstimate(out.get(L, Native.memory_estimate.weights_mapped),
                    out.get(L, Native.memory_estimate.weights_owned), out.get(L, Native.memory_estimate.cache_per_token),
                    out.get(L, Native.memory_estimate.cache), out.get(L, Native.memory_estimate.scratch),
                    out.get(L, Native.memory_estimate.total));
        }
    }

    /**
     * The sizes of the model.
     *
     * @return the sizes
     */
    public ModelInfo info() {
        try (Frame frame = new Frame(); Handle.Use model = own.use()) {
            MemorySegment out = frame.struct(Native.model_info.LAYOUT);
            frame.check(Native.model_get_info(model.at(), out, frame.error));
            return new ModelInfo(out.get(L, Native.model_info.num_layers), out.get(L, Native.model_info.hidden_size),
                    out.get(L, Native.model_info.num_attention_heads), out.get(L, Native.model_info.num_kv_heads),
                    out.get(L, Native.model_info.vocab_size), out.get(L, Native.model_info.max_positions),
                    out.get(L, Native.model_info.parameters));
        }
    }

    /**
     * A one-line description of the model: sizes, backend, kernels, threads.
     *
     * @return the line
     */
    public String describe() {
        try (Frame frame = new Frame(); Handle.Use model = own.use()) {
            return frame.lent(len -> Native.model_describe(model.at(), len));
        }
    }

    /**
     * The configuration of the model.
     *
     * @return JSON
     */
    public String configJson() {
        try (Frame frame = new Frame(); Handle.Use model = own.use()) {
            return frame.lent(len -> Native.model_config_json(model.at(), len));
        }
    }

    /**
     * The fill-in-the-middle format of the tokenizer, such as {@code starcoder}.
     *
     * @return its name; empty for a model without one
     */
    public Optional<String> infillFormat() {
        try (Frame frame = new Frame(); Handle.Use model = own.use()) {
            String name = frame.lent(len -> Native.model_infill_format(model.at(), len));
            return name.isEmpty() ? Optional.empty() : Optional.of(name);
        }
    }

    /**
     * The instruction set that the kernels use.
     *
     * @return its name
     */
    public String kernels() {
        try (Handle.Use model = own.use()) {
            return Frame.text(Native.model_kernels(model.at()));
        }
    }

    /**
     * Identifies the model and its weights. A model can restore what a model with the same fingerprint saved.
     *
     * @return 64 bits
     */
    public long fingerprint() {
        try (Frame frame = new Frame(); Handle.Use model = own.use()) {
            MemorySegment out = frame.size();
            frame.check(Native.model_fingerprint(model.at(), out, frame.error));
            return out.get(L, 0);
        }
    }

    /**
     * The tokenizer of the model, which may outlive it.
     *
     * @return a separate object; close it
     */
    public Tokenizer tokenizer() {
        try (Frame frame = new Frame(); Handle.Use model = own.use()) {
            MemorySegment out = frame.pointer();
            frame.check(Native.model_tokenizer(model.at(), out, frame.error));
            return new Tokenizer(Frame.at(out));
        }
    }

    @Override
    public List<Completion> generate(Prompt prompt, GenerateOptions options, TokenListener listener, CancelToken cancel) {
        return generation.run(prompt, options, listener, cancel);
    }

    @Override
    public TokenStream stream(Prompt prompt, GenerateOptions options, CancelToken cancel) {
        return new TokenStream(generation, prompt, options, cancel);
    }

    /**
     * Beam search for the most likely completions of a prompt. If it is cancelled, the result is the current
     * beams.
     *
     * @param prompt the prompt
     * @param options the options, or null for the defaults
     * @param cancel cancels the search when it is set, or null
     * @return at most as many as there are beams, best first
     */
    public List<Completion> beamSearch(Prompt prompt, BeamOptions options, CancelToken cancel) {
        try (Frame frame = new Frame();
                Handle.Use model = own.use();
                Handle.Use set = BeamOptions.use(options);
                Running running = new Running(cancel)) {
            MemorySegment out = frame.pointer();
            int status = switch (prompt) {
                case Prompt.Text(String text) -> {
                    Frame.Array at = frame.text(text);
                    yield Native.model_beam_search(
                            model.at(), at.at(), at.len(), set.at(), running.token(), out, frame.error);
                }
                case Prompt.Ids(int[] ids) -> {
                    Frame.Array at = frame.ids(ids);
                    yield Native.model_beam_search_from(
                            model.at(), at.at(), at.len(), set.at(), running.token(), out, frame.error);
                }
            };
            frame.check(status);
            return Completion.take(Frame.at(out));
        }
    }

    /**
     * Log-probabilities of given tokens, and the most likely next tokens.
     *
     * @param ids the tokens
     * @param top the number of next tokens
     * @param cancel cancels the call when it is set, or null
     * @return the scores
     */
    public Score score(int[] ids, long top, CancelToken cancel) {
        try (Frame frame = new Frame(); Handle.Use model = own.use(); Running running = new Running(cancel)) {
            Frame.Array at = frame.ids(ids);
            MemorySegment out = frame.pointer();
            frame.check(Native.model_score(
                    model.at(), at.at(), at.len(), Frame.size(top, "top"), running.token(), out, frame.error));
            return Score.take(Frame.at(out));
        }
    }

    /**
     * The perplexity of two or more tokens, in windows of the context length.
     *
     * @param ids the tokens
     * @param progress receives the tokens done and the total, or null
     * @param cancel cancels the call when it is set, or null
     * @return the perplexity
     */
    public Perplexity perplexity(int[] ids, ProgressListener progress, CancelToken cancel) {
        try (Frame frame = new Frame(); Handle.Use model = own.use(); Running running = new Running(cancel)) {
            Frame.Array at = frame.ids(ids);
            MemorySegment value = frame.wide();
            MemorySegment sum = frame.wide();
            MemorySegment tokens = frame.size();
            withProgress(frame, progress, (callback, userdata) -> Native.model_perplexity(model.at(), at.at(), at.len(),
                    running.token(), callback, userdata, value, sum, tokens, frame.error), () -> {});
            return new Perplexity(value.get(D, 0), sum.get(D, 0), tokens.get(L, 0));
        }
    }

    /**
     * Creates an empty session. It keeps the model alive.
     *
     * @return the session
     */
    public Session newSession() {
        try (Frame frame = new Frame(); Handle.Use model = own.use()) {
            MemorySegment out = frame.pointer();
            frame.check(Native.session_new(model.at(), out, frame.error));
            return new Session(Frame.at(out));
        }
    }

    /**
     * Creates an edit session. It keeps the model alive.
     *
     * @param language the name of the language that is edited
     * @param options the options, or null for the defaults
     * @return the session
     */
    public EditSession newEditSession(String language, EditOptions options) {
        try (Frame frame = new Frame(); Handle.Use model = own.use(); Prepared set = EditOptions.prepare(options)) {
            Frame.Array at = frame.text(language);
            MemorySegment out = frame.pointer();
            frame.check(Native.edit_session_new(model.at(), at.at(), at.len(), set.at(), out, frame.error));
            return new EditSession(Frame.at(out), set.sampling());
        }
    }

    /**
     * Restores a session from a file that a model with the same fingerprint saved.
     *
     * @param path the file
     * @return the session, which continues with bit-identical results
     */
    public Session restoreSession(Path path) {
        try (Frame frame = new Frame(); Handle.Use model = own.use()) {
            Frame.Array at = frame.text(path.toString());
            MemorySegment out = frame.pointer();
            frame.check(Native.session_restore_file(model.at(), at.at(), at.len(), out, frame.error));
            return new Session(Frame.at(out));
        }
    }

    /**
     * Restores a session that a model with the same fingerprint saved.
     *
     * @param bytes what {@link Session#save()} returned
     * @return the session, which continues with bit-identical results
     */
    public Session restoreSession(byte[] bytes) {
        try (Frame frame = new Frame(); Handle.Use model = own.use()) {
            Frame.Array at = frame.bytes(bytes);
            MemorySegment out = frame.pointer();
            frame.check(Native.session_restore(model.at(), at.at(), at.len(), out, frame.error));
            return new Session(Frame.at(out));
        }
    }

    /**
     * Creates an empty state.
     *
     * @return the state
     */
    public State newState() {
        try (Frame frame = new Frame(); Handle.Use model = own.use()) {
            MemorySegment out = frame.pointer();
            frame.check(Native.state_new(model.at(), out, frame.error));
            return new State(Frame.at(out));
        }
    }

    /**
     * Restores a state that a model with the same fingerprint saved.
     *
     * @param bytes what {@link State#save} returned
     * @return the state, which continues with bit-identical results
     */
    public State restoreState(byte[] bytes) {
        try (Frame frame = new Frame(); Handle.Use model = own.use()) {
            Frame.Array at = frame.bytes(bytes);
            MemorySegment out = frame.pointer();
            frame.check(Native.state_restore(model.at(), at.at(), at.len(), out, frame.error));
            return new State(Frame.at(out));
        }
    }

    /**
     * Starts a service. It keeps the model alive.
     *
     * @param options the options, or null for the defaults
     * @return the service
     */
    public Service newService(ServiceOptions options) {
        try (Frame frame = new Frame(); Handle.Use model = own.use(); Handle.Use set = ServiceOptions.use(options)) {
            MemorySegment out = frame.pointer();
            frame.check(Native.service_new(model.at(), set.at(), out, frame.error));
            return new Service(Frame.at(out));
        }
    }

    /** Frees the memory and the threads once nothing else uses them. */
    @Override
    public void close() {
        own.close();
    }
}
