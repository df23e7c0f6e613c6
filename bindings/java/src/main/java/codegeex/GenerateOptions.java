package codegeex;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * Options of a generation. Unset options keep their defaults: greedy, 128 new tokens, one sample, no stop
 * strings. Immutable. Values out of range are reported by the call that uses the options.
 */
public final class GenerateOptions {
    final Handle own;
    private final List<Settings.Setter> setters;

    private GenerateOptions(List<Settings.Setter> setters) {
        this.setters = List.copyOf(setters);
        own = Settings.make("generate options", Native::generate_options_new, Native::generate_options_free, setters);
    }

    /**
     * Creates a builder.
     *
     * @return a builder with nothing set
     */
    public static Builder builder() {
        return new Builder(List.of());
    }

    /**
     * Creates a builder with a copy of these options.
     *
     * @return a builder
     */
    public Builder toBuilder() {
        return new Builder(setters);
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

    /** A use of options that may be null. */
    static Handle.Use use(GenerateOptions options) {
        return options == null ? Handle.NULL : options.own.use();
    }

    /** Sets options in order; a later one wins. */
    public static final class Builder {
        private final List<Settings.Setter> setters;

        private Builder(List<Settings.Setter> setters) {
            this.setters = new ArrayList<>(setters);
        }

        /**
         * Maximum number of new tokens.
         *
         * @param maxNewTokens the value
         * @return this
         */
        public Builder maxNewTokens(long maxNewTokens) {
            long checked = Frame.size(maxNewTokens, "maxNewTokens");
            setters.add((frame, o) -> Native.generate_options_set_max_new_tokens(o, checked, frame.error));
            return this;
        }

        /**
         * Sampling temperature; 0 means greedy, which ignores top-k, top-p, min-p, typical-p and the seed.
         *
         * @param temperature the value
         * @return this
         */
        public Builder temperature(float temperature) {
            setters.add((frame, o) -> Native.generate_options_set_temperature(o, temperature, frame.error));
            return this;
        }

        /**
         * Top-k sampling: keep the k most likely tokens; 0 disables it.
         *
         * @param topK the value
         * @return this
         */
        public Builder topK(long topK) {
            long checked = Frame.size(topK, "topK");
            setters.add((frame, o) -> Native.generate_options_set_top_k(o, checked, frame.error));
            return this;
        }

        /**
         * Top-p (nucleus) sampling: keep the most likely tokens whose probabilities add up to this value, above 0
         * and up to 1; 1 disables it.
         *
         * @param topP the value
         * @return this
         */
        public Builder topP(float topP) {
            setters.add((frame, o) -> Native.generate_options_set_top_p(o, topP, frame.error));
            return this;
        }

        /**
         * Min-p sampling: keep tokens whose probability is at least this value times the top probability; 0
         * disables it.
         *
         * @param minP the value
         * @return this
         */
        public Builder minP(float minP) {
            setters.add((frame, o) -> Native.generate_options_set_min_p(o, minP, frame.error));
            return this;
        }

        /**
         * Typical-p sampling: keep the most typical tokens whose probabilities add up to this value; 1 disables
         * it.
         *
         * @param typicalP the value
         * @return this
         */
        public Builder typicalP(float typicalP) {
            setters.add((frame, o) -> Native.generate_options_set_typical_p(o, typicalP, frame.error));
            return this;
        }

        /**
         * Repetition penalty, for ids in the prompt or the generated text: positive logits are divided by it,
         * negative ones multiplied; 1 disables it.
         *
         * @param repetitionPenalty the value
         * @return this
         */
        public Builder repetitionPenalty(float repetitionPenalty) {
            setters.add((frame, o) -> Native.generate_options_set_repetition_penalty(o, repetitionPenalty, frame.error));
            return this;
        }

        /**
         * Presence penalty: subtracted once from the logits of generated ids; 0 disables it.
         *
         * @param presencePenalty the value
         * @return this
         */
        public Builder presencePenalty(float presencePenalty) {
            setters.add((frame, o) -> Native.generate_options_set_presence_penalty(o, presencePenalty, frame.error));
            return this;
        }

        /**
         * Frequency penalty: subtracted from the logits of generated ids for each occurrence; 0 disables it.
         *
         * @param frequencyPenalty the value
         * @return this
         */
        public Builder frequencyPenalty(float frequencyPenalty) {
            setters.add((frame, o) -> Native.generate_options_set_frequency_penalty(o, frequencyPenalty, frame.error));
            return this;
        }

        /**
         * Random seed, an unsigned 64-bit number. The same seed gives the same samples.
         *
         * @param seed the value
         * @return this
         */
        public Builder seed(long seed) {
            setters.add((frame, o) -> Native.generate_options_set_seed(o, seed, frame.error));
            return this;
        }

        /**
         * Index of the first sample, for the random numbers.
         *
         * @param firstSample the value
         * @return this
         */
        public Builder firstSample(int firstSample) {
            setters.add((frame, o) -> Native.generate_options_set_first_sample(o, firstSample, frame.error));
            return this;
        }

        /**
         * Number of completions of the prompt, 1 to 1024. The prompt is computed once for all of them.
         *
         * @param samples the value
         * @return this
         */
        public Builder samples(long samples) {
            long checked = Frame.size(samples, "samples");
            setters.add((frame, o) -> Native.generate_options_set_samples(o, checked, frame.error));
            return this;
        }

        /**
         * Reports the N most likely tokens at each position, before sampling.
         *
         * @param topLogprobs the value
         * @return this
         */
        public Builder topLogprobs(long topLogprobs) {
            long checked = Frame.size(topLogprobs, "topLogprobs");
            setters.add((frame, o) -> Native.generate_options_set_top_logprobs(o, checked, frame.error));
            return this;
        }

        /**
         * Maximum number of compute threads; 0 means all threads of the model.
         *
         * @param threads the value
         * @return this
         */
        public Builder threads(long threads) {
            long checked = Frame.size(threads, "threads");
            setters.add((frame, o) -> Native.generate_options_set_threads(o, checked, frame.error));
            return this;
        }

        /**
         * Timeout of the generation, which then returns the partial result; zero means none.
         *
         * @param timeout the timeout, in whole milliseconds
         * @return this
         */
        public Builder timeout(Duration timeout) {
            long millis = timeout.isZero() ? 0 : Math.max(1, Frame.size(timeout.toMillis(), "timeout"));
            setters.add((frame, o) -> Native.generate_options_set_timeout_ms(o, millis, frame.error));
            return this;
        }

        /**
         * Maximum number of prompt tokens to compute. Tokens in the cache of a session or service do not count.
         *
         * @param prefillLimit the value
         * @return this
         */
        public Builder prefillLimit(long prefillLimit) {
            long checked = Frame.size(prefillLimit, "prefillLimit");
            setters.add((frame, o) -> Native.generate_options_set_prefill_limit(o, checked, frame.error));
            return this;
        }

        /**
         * Logit bias: ids and the values to add to their logits. Replaces the previous biases. Negative infinity
         * bans an id.
         *
         * @param biases the biases by id
         * @return this
         */
        public Builder logitBias(Map<Integer, Float> biases) {
            Map<Integer, Float> copy = new TreeMap<>(biases);
            setters.add((frame, o) -> {
                int[] ids = copy.keySet().stream().mapToInt(Integer::intValue).toArray();
                float[] values = new float[ids.length];
                for (int i = 0; i < ids.length; i++) {
                    values[i] = copy.get(ids[i]);
                }
                Frame.Array at = frame.ids(ids);
                return Native.generate_options_set_logit_bias(o, at.at(), frame.floats(values).at(), at.len(), frame.error);
            });
            return this;
        }

        /**
         * Ids that are never sampled. Replaces the previous ones.
         *
         * @param bannedIds the ids
         * @return this
         */
        public Builder bannedIds(int... bannedIds) {
            int[] copy = bannedIds.clone();
            setters.add((frame, o) -> {
                Frame.Array ids = frame.ids(copy);
                return Native.generate_options_set_banned_ids(o, ids.at(), ids.len(), frame.error);
            });
            return this;
        }

        /**
         * Adds a stop string. It is not part of the completion's text.
         *
         * @param text the text
         * @return this
         */
        public Builder addStop(String text) {
            setters.add((frame, o) -> {
                Frame.Array at = frame.text(text);
                return Native.generate_options_add_stop(o, at.at(), at.len(), frame.error);
            });
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
            setters.add((frame, o) -> Native.generate_options_clear_stop(o, frame.error));
            return this;
        }

        /**
         * How special tokens in the prompt are encoded.
         *
         * @param specialTokens the value
         * @return this
         */
        public Builder specialTokens(SpecialTokens specialTokens) {
            setters.add((frame, o) -> Native.generate_options_set_special_tokens(o, specialTokens.number, frame.error));
            return this;
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
            setters.add((frame, o) -> {
                Frame.Array l = frame.text(language);
                Frame.Array r = frame.text(rules);
                return Native.generate_options_set_stop_at(o, l.at(), l.len(), r.at(), r.len(), frame.error);
            });
            return this;
        }

        /**
         * Token healing: re-samples the last tokens of the prompt among those that match its bytes, so that a
         * prompt may end inside a word or a run of spaces.
         *
         * @param heal the value
         * @return this
         */
        public Builder heal(boolean heal) {
            setters.add((frame, o) -> Native.generate_options_set_heal(o, heal ? 1 : 0, frame.error));
            return this;
        }

        /**
         * Speculative decoding by prompt lookup: draft tokens are taken from the text so far. It changes latency,
         * never the output.
         *
         * @param tokens the maximum number of draft tokens per step; 0 disables it
         * @return this
         */
        public Builder speculationLookup(long tokens) {
            long checked = Frame.size(tokens, "tokens");
            setters.add((frame, o) -> Native.generate_options_set_speculation_lookup(o, checked, frame.error));
            return this;
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
            return new GenerateOptions(setters);
        }
    }
}
