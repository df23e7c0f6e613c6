package codegeex;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;

/**
 * Options of a beam search. Unset options keep their defaults: four beams of at most 128 tokens by the rules of
 * the CodeGeeX reference. Immutable.
 */
public final class BeamOptions {
    final Handle own;
    private final List<Settings.Setter> setters;

    private BeamOptions(List<Settings.Setter> setters) {
        this.setters = List.copyOf(setters);
        own = Settings.make("beam options", Native::beam_options_new, Native::beam_options_free, setters);
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
        return OptionKey.list(Native::beam_options_key);
    }

    /**
     * The value of an option as text.
     *
     * @param key the key
     * @return the value, in the format of {@link Builder#set}
     */
    public String get(String key) {
        return Settings.get(own, key, Native::beam_options_get);
    }

    /** A use of options that may be null. */
    static Handle.Use use(BeamOptions options) {
        return options == null ? Handle.NULL : options.own.use();
    }

    /** Sets options in order; a later one wins. */
    public static final class Builder {
        private final List<Settings.Setter> setters;

        private Builder(List<Settings.Setter> setters) {
            this.setters = new ArrayList<>(setters);
        }

        /**
         * Number of beams, which is also the maximum number of results: 1 to 1024.
         *
         * @param numBeams the value
         * @return this
         */
        public Builder numBeams(long numBeams) {
            return set("num_beams", Long.toString(Frame.size(numBeams, "numBeams")));
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
         * How beams are scored and when the search ends.
         *
         * @param rules the value
         * @return this
         */
        public Builder rules(BeamRules rules) {
            return set("rules", rules.value);
        }

        /**
         * Length penalty of the Hugging Face rules: scores are divided by length to this power, -64 to 64;
         * default 1.
         *
         * @param lengthPenalty the value
         * @return this
         */
        public Builder lengthPenalty(float lengthPenalty) {
            return set("length_penalty", Float.toString(lengthPenalty));
        }

        /**
         * Early stopping of the Hugging Face rules.
         *
         * @param earlyStopping the value
         * @return this
         */
        public Builder earlyStopping(EarlyStopping earlyStopping) {
            return set("early_stopping", earlyStopping.value);
        }

        /**
         * Adds a stop string.
         *
         * @param text the text
         * @return this
         */
        public Builder addStop(String text) {
            setters.add(Settings.append("stop", text, Native::beam_options_set, Native::beam_options_get));
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
         * Stop rules for code of a language, by its name: the first rule that matches ends a completion.
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
         * Timeout of the search, which then returns the current beams; zero means none.
         *
         * @param timeout the timeout, rounded up to milliseconds
         * @return this
         */
        public Builder timeout(Duration timeout) {
            return set("timeout_ms", Settings.millis(timeout));
        }

        /**
         * Maximum number of prompt tokens to compute.
         *
         * @param prefillLimit the value
         * @return this
         */
        public Builder prefillLimit(long prefillLimit) {
            return set("prefill_limit", Long.toString(Frame.size(prefillLimit, "prefillLimit")));
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
         * Token ids that end a completion as the end of text does. Replaces the previous ones.
         *
         * @param stopIds the ids
         * @return this
         */
        public Builder stopIds(int... stopIds) {
            return set("stop_ids", Settings.json(stopIds));
        }

        /**
         * Ids that are excluded from all beams. Replaces the previous ones.
         *
         * @param bannedIds the ids
         * @return this
         */
        public Builder bannedIds(int... bannedIds) {
            return set("banned_ids", Settings.json(bannedIds));
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
         * Sets an option by key; key and value are text. This also reaches options that are newer than this
         * package.
         *
         * @param key the key, see {@link #keys}
         * @param value the value
         * @return this
         */
        public Builder set(String key, String value) {
            setters.add(Settings.byKey(key, value, Native::beam_options_set));
            return this;
        }

        /**
         * Builds the options.
         *
         * @return the options
         * @throws CodegeexException if a value is refused
         */
        public BeamOptions build() {
            return new BeamOptions(setters);
        }
    }
}
