package codegeex;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * What a generation is asked to do. What is not set is as usual: greedy, 128 new tokens, one sample, no
 * stop strings. Immutable; numbers out of range are reported by the call that uses the options.
 */
public final class GenerateOptions {
    final Handle own;
    private final List<Settings.Setter> setters;

    private GenerateOptions(List<Settings.Setter> setters) {
        this.setters = List.copyOf(setters);
        own = Settings.make("generate options", Native::generate_options_new, Native::generate_options_free, setters);
    }

    /**
     * Begins options.
     *
     * @return a builder with nothing set
     */
    public static Builder builder() {
        return new Builder(List.of());
    }

    /**
     * Begins options that are as these.
     *
     * @return a builder
     */
    public Builder toBuilder() {
        return new Builder(setters);
    }

    /**
     * Every option that can be set by its key.
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
     * @return such a value as {@link Builder#set} takes
     */
    public String get(String key) {
        return Settings.get(own, key, Native::generate_options_get);
    }

    /** A use of options that may be null. */
    static Handle.Use use(GenerateOptions options) {
        return options == null ? Handle.NULL : options.own.use();
    }

    /** Sets options one after the other; a later one wins. */
    public static final class Builder {
        private final List<Settings.Setter> setters;

        private Builder(List<Settings.Setter> setters) {
            this.setters = new ArrayList<>(setters);
        }

        /**
         * New tokens at most.
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
         * Divides the logits; 0 means greedy, and top-k, top-p, min-p, typical-p and the seed do nothing then.
         *
         * @param temperature the value
         * @return this
         */
        public Builder temperature(float temperature) {
            setters.add((frame, o) -> Native.generate_options_set_temperature(o, temperature, frame.error));
            return this;
        }

        /**
         * Candidates to keep; 0 means all.
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
         * Probability mass to keep, above 0 and up to 1; 1 means all.
         *
         * @param topP the value
         * @return this
         */
        public Builder topP(float topP) {
            setters.add((frame, o) -> Native.generate_options_set_top_p(o, topP, frame.error));
            return this;
        }

        /**
         * Candidates to keep: those at least this share as likely as the likeliest; 0 means all.
         *
         * @param minP the value
         * @return this
         */
        public Builder minP(float minP) {
            setters.add((frame, o) -> Native.generate_options_set_min_p(o, minP, frame.error));
            return this;
        }

        /**
         * Probability mass of the most typical candidates to keep; 1 means all.
         *
         * @param typicalP the value
         * @return this
         */
        public Builder typicalP(float typicalP) {
            setters.add((frame, o) -> Native.generate_options_set_typical_p(o, typicalP, frame.error));
            return this;
        }

        /**
         * Divides positive logits of ids in the prompt or the generated text, and multiplies negative ones; 1
         * means none.
         *
         * @param repetitionPenalty the value
         * @return this
         */
        public Builder repetitionPenalty(float repetitionPenalty) {
            setters.add((frame, o) -> Native.generate_options_set_repetition_penalty(o, repetitionPenalty, frame.error));
            return this;
        }

        /**
         * Subtracted once from the logits of generated ids; 0 means none.
         *
         * @param presencePenalty the value
         * @return this
         */
        public Builder presencePenalty(float presencePenalty) {
            setters.add((frame, o) -> Native.generate_options_set_presence_penalty(o, presencePenalty, frame.error));
            return this;
        }

        /**
         * Subtracted from the logits of generated ids for each time that they were; 0 means none.
         *
         * @param frequencyPenalty the value
         * @return this
         */
        public Builder frequencyPenalty(float frequencyPenalty) {
            setters.add((frame, o) -> Native.generate_options_set_frequency_penalty(o, frequencyPenalty, frame.error));
            return this;
        }

        /**
         * Decides the draws, together with the number of the sample and of the token; the bits count, as of an
         * unsigned number.
         *
         * @param seed the value
         * @return this
         */
        public Builder seed(long seed) {
            setters.add((frame, o) -> Native.generate_options_set_seed(o, seed, frame.error));
            return this;
        }

        /**
         * Number of the first sample, for the draws.
         *
         * @param firstSample the value
         * @return this
         */
        public Builder firstSample(int firstSample) {
            setters.add((frame, o) -> Native.generate_options_set_first_sample(o, firstSample, frame.error));
            return this;
        }

        /**
         * Completions of the one prompt, which is computed once for all: 1 to 1024.
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
         * Also reports the likeliest tokens at each place, so many of them, before any sampler.
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
         * Threads that compute at most; 0 means all that the model has.
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
         * Ends the generation so long after it began, with what there is by then; zero means never.
         *
         * @param timeout how long, in whole milliseconds
         * @return this
         */
        public Builder timeout(Duration timeout) {
            long millis = timeout.isZero() ? 0 : Math.max(1, Frame.size(timeout.toMillis(), "timeout"));
            setters.add((frame, o) -> Native.generate_options_set_timeout_ms(o, millis, frame.error));
            return this;
        }

        /**
         * Tokens of the prompt that may be computed; those that a session or a service has already do not count.
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
         * Ids with what is added to their logits, in place of those that were set before. Negative infinity bans an
         * id.
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
         * Ids that are never drawn, in place of those that were set before.
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
         * Adds a text that ends a completion. It is not part of the completion's text.
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
         * Takes all stop strings away.
         *
         * @return this
         */
        public Builder clearStops() {
            setters.add((frame, o) -> Native.generate_options_clear_stop(o, frame.error));
            return this;
        }

        /**
         * What a special token spelled out in the prompt means.
         *
         * @param specialTokens the value
         * @return this
         */
        public Builder specialTokens(SpecialTokens specialTokens) {
            setters.add((frame, o) -> Native.generate_options_set_special_tokens(o, specialTokens.number, frame.error));
            return this;
        }

        /**
         * Where code of a language, by its name, ends a completion: the first of some rules that fires. No token is
         * drawn after the one that decides it.
         *
         * @param language the name of the language
         * @param rules names with commas between: {@code line}, {@code block}, {@code function}, {@code unindented},
         *     {@code humaneval}; empty means no end by code
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
         * Token healing: whether the last tokens of the prompt are taken back and drawn again among those that
         * agree with its bytes, so that a prompt may end inside a word or a run of spaces.
         *
         * @param heal the value
         * @return this
         */
        public Builder heal(boolean heal) {
            setters.add((frame, o) -> Native.generate_options_set_heal(o, heal ? 1 : 0, frame.error));
            return this;
        }

        /**
         * Guesses at the next tokens from the text so far. Guesses change the time that an answer takes, and not the
         * answer.
         *
         * @param tokens up to so many tokens a step; 0 means none
         * @return this
         */
        public Builder speculationLookup(long tokens) {
            long checked = Frame.size(tokens, "tokens");
            setters.add((frame, o) -> Native.generate_options_set_speculation_lookup(o, checked, frame.error));
            return this;
        }

        /**
         * Guesses at the next tokens by a smaller model with the same vocabulary. The options keep it.
         *
         * @param draft the smaller model
         * @param tokens up to so many tokens a step; 0 means none
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
         * Sets an option by its key, both as text: what is newer than this package.
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
         * Makes the options.
         *
         * @return the options
         * @throws CodegeexException where one is refused
         */
        public GenerateOptions build() {
            return new GenerateOptions(setters);
        }
    }
}
