package codegeex;

import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * Options of a generation. Unset options keep their defaults: greedy, 128 new tokens, one sample, no stop
 * strings. Immutable. Values out of range are reported by the call that uses the options.
 */
public final class GenerateOptions {
    final Handle own;
    private final List<Settings.Setter> setters;
    private final List<Sampler> samplers;

    private GenerateOptions(List<Settings.Setter> setters, List<Sampler> samplers) {
        this.setters = List.copyOf(setters);
        this.samplers = List.copyOf(samplers);
        own = Settings.make("generate options", Native::generate_options_new, Native::generate_options_free, setters);
    }

    /**
     * Creates a builder.
     *
     * @return a builder with nothing set
     */
    public static Builder builder() {
        return new Builder(List.of(), List.of());
    }

    /**
     * Creates a builder with a copy of these options.
     *
     * @return a builder
     */
    public Builder toBuilder() {
        return new Builder(setters, samplers);
    }

    /**
     * All options that can be set by key.
     *
     * @return the keys
     */
    public static List<OptionKey> keys() {
        return OptionKey.list(Native::generate_options_key);
    }

    /**
     * The value of an option as text.
     *
     * @param key the key
     * @return the value, in the format of {@link Builder#set}
     */
    public String get(String key) {
        return Settings.get(own, key, Native::generate_options_get);
    }

    boolean hasSamplers() {
        return !samplers.isEmpty();
    }

    /** A copy of options that may be null, with a suffix. */
    static GenerateOptions withSuffix(GenerateOptions options, String suffix) {
        java.util.Objects.requireNonNull(suffix, "suffix");
        return (options == null ? builder() : options.toBuilder()).suffix(suffix).build();
    }

    /** Options that may be null, for one call: samplers belong to a call, since what they throw does. */
    static Prepared prepare(GenerateOptions options) {
        if (options == null || !options.hasSamplers()) {
            return new Prepared(options == null ? Handle.NULL : options.own.use());
        }
        try (Frame frame = new Frame(); Handle.Use own = options.own.use()) {
            MemorySegment out = frame.pointer();
            frame.check(Native.generate_options_clone(own.at(), out, frame.error));
            Handle copy = new Handle("generate options", Frame.at(out), Native::generate_options_free);
            Sampling sampling = new Sampling(options.samplers);
            try {
                sampling.addTo(frame, Frame.at(out));
            } catch (RuntimeException | Error e) {
                copy.close();
                throw e;
            }
            return new Prepared(copy, sampling);
        }
    }

    /** Sets options in order; a later one wins. */
    public static final class Builder {
        private final List<Settings.Setter> setters;
        private final List<Sampler> samplers;

        private Builder(List<Settings.Setter> setters, List<Sampler> samplers) {
            this.setters = new ArrayList<>(setters);
            this.samplers = new ArrayList<>(samplers);
        }

        /**
         * Maximum number of new tokens.
         *
         * @param maxNewTokens the value
         * @return this
         */
        public Builder maxNewTokens(long maxNewTokens) {
            return set("max_new_tokens", Long.toString(Frame.size(maxNewTokens, "maxNewTokens")));
        }

        /**
         * Sampling temperature; 0 means greedy, which ignores top-k, top-p, min-p, typical-p and the seed.
         *
         * @param temperature the value
         * @return this
         */
        public Builder temperature(float temperature) {
            return set("temperature", Float.toString(temperature));
        }

        /**
         * Top-k sampling: keep the k most likely tokens; 0 disables it.
         *
         * @param topK the value
         * @return this
         */
        public Builder topK(long topK) {
            return set("top_k", Long.toString(Frame.size(topK, "topK")));
        }

        /**
         * Top-p (nucleus) sampling: keep the most likely tokens whose probabilities add up to this value, above 0
         * and up to 1; 1 disables it.
         *
         * @param topP the value
         * @return this
         */
        public Builder topP(float topP) {
            return set("top_p", Float.toString(topP));
        }

        /**
         * Min-p sampling: keep tokens whose probability is at least this value times the top probability; 0
         * disables it.
         *
         * @param minP the value
         * @return this
         */
        public Builder minP(float minP) {
            return set("min_p", Float.toString(minP));
        }

        /**
         * Typical-p sampling: keep the most typical tokens whose probabilities add up to this value; 1 disables
         * it.
         *
         * @param typicalP the value
         * @return this
         */
        public Builder typicalP(float typicalP) {
            return set("typical_p", Float.toString(typicalP));
        }

        /**
         * Repetition penalty, for ids in the prompt or the generated text: positive logits are divided by it,
         * negative ones multiplied; 1 disables it.
         *
         * @param repetitionPenalty the value
         * @return this
         */
        public Builder repetitionPenalty(float repetitionPenalty) {
            return set("repetition_penalty", Float.toString(repetitionPenalty));
        }

        /**
         * Presence penalty: subtracted once from the logits of generated ids; 0 disables it.
         *
         * @param presencePenalty the value
         * @return this
         */
        public Builder presencePenalty(float presencePenalty) {
            return set("presence_penalty", Float.toString(presencePenalty));
        }

        /**
         * Frequency penalty: subtracted from the logits of generated ids for each occurrence; 0 disables it.
         *
         * @param frequencyPenalty the value
         * @return this
         */
        public Builder frequencyPenalty(float frequencyPenalty) {
            return set("frequency_penalty", Float.toString(frequencyPenalty));
        }

        /**
         * Random seed, an unsigned 64-bit number. The same seed gives the same samples.
         *
         * @param seed the value
         * @return this
         */
        public Builder seed(long seed) {
            return set("seed", Long.toUnsignedString(seed));
        }

        /**
         * Index of the first sample, for the random numbers.
         *
         * @param firstSample the value
         * @return this
         */
        public Builder firstSample(int firstSample) {
            return set("first_sample", Integer.toUnsignedString(firstSample));
        }

        /**
         * Number of completions of the prompt, 1 to 1024. The prompt is computed once for all of them.
         *
         * @param samples the value
         * @return this
         */
        public Builder samples(long samples) {
            return set("samples", Long.toString(Frame.size(samples, "samples")));
        }

        /**
         * Reports the N most likely tokens at each position, before sampling.
         *
         * @param topLogprobs the value
         * @return this
         */
        public Builder topLogprobs(long topLogprobs) {
            return set("top_logprobs", Long.toString(Frame.size(topLogprobs, "topLogprobs")));
        }

        /**
         * Maximum number of compute threads; 0 means all threads of the model.
         *
         * @param threads the value
         * @return this
         */
        public Builder threads(long threads) {
            return set("threads", Long.toString(Frame.size(threads, "threads")));
        }

        /**
         * Timeout of the generation, which then returns the partial result; zero means none.
         *
         * @param timeout the timeout, rounded up to milliseconds
         * @return this
         */
        public Builder timeout(Duration timeout) {
            return set("timeout_ms", Settings.millis(timeout));
        }

        /**
         * Maximum number of prompt tokens to compute. Tokens in the cache of a session or service do not count.
         *
         * @param prefillLimit the value
         * @return this
         */
        public Builder prefillLimit(long prefillLimit) {
            return set("prefill_limit", Long.toString(Frame.size(prefillLimit, "prefillLimit")));
        }

        /**
         * Logit bias: ids and the values to add to their logits. Replaces the previous biases. Negative infinity
         * bans an id.
         *
         * @param biases the biases by id
         * @return this
         */
        public Builder logitBias(Map<Integer, Float> biases) {
            return set("logit_bias", Settings.json(biases));
        }

        /**
         * Ids that are never sampled. Replaces the previous ones.
         *
         * @param bannedIds the ids
         * @return this
         */
        public Builder bannedIds(int... bannedIds) {
            return set("banned_ids", Settings.json(bannedIds));
        }

        /**
         * Adds a stop string. It is not part of the completion's text.
         *
         * @param text the text
         * @return this
         */
        public Builder addStop(String text) {
            setters.add(Settings.append("stop", text, Native::generate_options_set, Native::generate_options_get));
            return this;
        }

        /**
         * Adds the stop strings of a task.
         *
         * @param task the task
         * @return this
         */
        public Builder addStops(Task task) {
            for (String stop : task.stops()) {
                addStop(stop);
            }
            return this;
        }

        /**
         * Removes all stop strings.
         *
         * @return this
         */
        public Builder clearStops() {
            return set("stop", "[]");
        }

        /**
         * How special tokens in the prompt are encoded.
         *
         * @param specialTokens the value
         * @return this
         */
        public Builder specialTokens(SpecialTokens specialTokens) {
            return set("special_tokens", specialTokens.value);
        }

        /**
         * Stop rules for code of a language, by its name: the first rule that matches ends the completion. No
         * token is sampled after the one that matches.
         *
         * @param language the name of the language
         * @param rules a comma-separated list of {@code line}, {@code block}, {@code function}, {@code
         *     unindented}, {@code humaneval}; empty disables them
         * @return this
         */
        public Builder stopAt(String language, String rules) {
            return set("stop_at", Settings.stopAt(language, rules));
        }

        /**
         * Code left of the cursor, for {@link #stopAt}, instead of the prompt.
         *
         * @param before the code
         * @return this
         */
        public Builder stopBefore(String before) {
            return set("stop_before", Settings.json(before));
        }

        /**
         * Token ids that end a completion as the end of text does. Replaces the previous ones.
         *
         * @param stopIds the ids
         * @return this
         */
        public Builder stopIds(int... stopIds) {
            return set("stop_ids", Settings.json(stopIds));
        }

        /**
         * Fill-in-the-middle: the text after the cursor; the prompt of the call is the text before it. Models
         * without fill-in-the-middle rank the samples by it, best first.
         *
         * @param suffix the text; null means an ordinary completion, unless another option of fill-in-the-middle is
         *     set
         * @return this
         */
        public Builder suffix(String suffix) {
            return set("suffix", Settings.jsonOrNone(suffix));
        }

        /**
         * Fill-in-the-middle: the order of the prompt.
         *
         * @param order the value
         * @return this
         */
        public Builder infillOrder(InfillOrder order) {
            return set("infill_order", order.value);
        }

        /**
         * Fill-in-the-middle: the path of the current file.
         *
         * @param path the path; null means unknown
         * @return this
         */
        public Builder path(String path) {
            return set("path", Settings.jsonOrNone(path));
        }

        /**
         * Fill-in-the-middle: the name of the repository. It needs {@link #path}.
         *
         * @param repository the name; null means unknown
         * @return this
         */
        public Builder repository(String repository) {
            return set("repository", Settings.jsonOrNone(repository));
        }

        /**
         * Fill-in-the-middle: other files of the repository, the most important last. Replaces the previous ones.
         * They need {@link #path}.
         *
         * @param files the files
         * @return this
         */
        public Builder files(List<ContextFile> files) {
            return set("files", Settings.jsonFiles(files));
        }

        /**
         * Fill-in-the-middle: the language of the current file, for models whose format names it.
         *
         * @param language the name of the language; null means unknown
         * @return this
         */
        public Builder infillLanguage(String language) {
            return set("infill_language", language == null ? "none" : language);
        }

        /**
         * Token healing: re-samples the last tokens of the prompt among those that match its bytes, so that a
         * prompt may end inside a word or a run of spaces.
         *
         * @param heal the value
         * @return this
         */
        public Builder heal(boolean heal) {
            return set("heal", Boolean.toString(heal));
        }

        /**
         * Speculative decoding by prompt lookup: draft tokens are taken from the text so far. It changes latency,
         * never the output.
         *
         * @param tokens the maximum number of draft tokens per step; 0 disables it
         * @return this
         */
        public Builder speculationLookup(long tokens) {
            return set("speculation", Frame.size(tokens, "tokens") == 0 ? "off" : "lookup:" + tokens);
        }

        /**
         * Speculative decoding with a draft model that has the same vocabulary. The options keep it alive.
         *
         * @param draft the draft model
         * @param tokens the maximum number of draft tokens per step; 0 disables it
         * @return this
         */
        public Builder speculationModel(Model draft, long tokens) {
            long checked = Frame.size(tokens, "tokens");
            setters.add((frame, o) -> {
                try (Handle.Use model = draft.own.use()) {
                    return Native.generate_options_set_speculation_model(o, model.at(), checked, frame.error);
                }
            });
            return this;
        }

        /**
         * Adds a custom sampler. Samplers run in the order in which they were added: after banned ids, logit bias
         * and penalties, before temperature, top-k, top-p, min-p and typical-p, and also with greedy decoding.
         *
         * @param sampler the sampler
         * @return this
         */
        public Builder addSampler(Sampler sampler) {
            samplers.add(java.util.Objects.requireNonNull(sampler));
            return this;
        }

        /**
         * Sets an option by key; key and value are text. This also reaches options that are newer than this
         * package.
         *
         * @param key the key, see {@link #keys}
         * @param value the value
         * @return this
         */
        public Builder set(String key, String value) {
            setters.add(Settings.byKey(key, value, Native::generate_options_set));
            return this;
        }

        /**
         * Builds the options.
         *
         * @return the options
         * @throws CodegeexException if a value is refused
         */
        public GenerateOptions build() {
            return new GenerateOptions(setters, samplers);
        }
    }
}
