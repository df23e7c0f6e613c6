package codegeex;
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
            long checked = Frame.size(numBeams, "numBeams");
            setters.add((frame, o) -> Native.beam_options_set_num_beams(o, checked, frame.error));
            return this;
        }

        /**
         * Maximum number of new tokens.
         *
         * @param maxNewTokens the value
         * @return this
         */
        public Builder maxNewTokens(long maxNewTokens) {
            long checked = Frame.size(maxNewTokens, "maxNewTokens");
            setters.add((frame, o) -> Native.beam_options_set_max_new_tokens(o, checked, frame.error));
            return this;
        }

        /**
         * How beams are scored and when the search ends.
         *
         * @param rules the value
         * @return this
         */
        public Builder rules(BeamRules rules) {
            setters.add((frame, o) -> Native.beam_options_set_rules(o, rules.number, frame.error));
            return this;
        }

        /**
         * Length penalty of the Hugging Face rules: scores are divided by length to this power, -64 to 64;
         * default 1.
         *
         * @param lengthPenalty the value
         * @return this
         */
        public Builder lengthPenalty(float lengthPenalty) {
            setters.add((frame, o) -> Native.beam_options_set_length_penalty(o, lengthPenalty, frame.error));
            return this;
        }

        /**
         * Early stopping of the Hugging Face rules.
         *
         * @param earlyStopping the value
         * @return this
         */
        public Builder earlyStopping(EarlyStopping earlyStopping) {
            setters.add((frame, o) -> Native.beam_options_set_early_stopping(o, earlyStopping.number, frame.error));
            return this;
        }

        /**
         * Adds a stop string.
         *
         * @param text the text
         * @return this
         */
        public Builder addStop(String text) {
            setters.add((frame, o) -> {
                Frame.Array at = frame.text(text);
                return Native.beam_options_add_stop(o, at.at(), at.len(), frame.error);
            });
            return this;
        }

        /**
         * Ids that are excluded from all beams. Replaces the previous ones.
         *
         * @param bannedIds the ids
         * @return this
         */
        public Builder bannedIds(int... bannedIds) {
            int[] copy = bannedIds.clone();
            setters.add((frame, o) -> {
                Frame.Array ids = frame.ids(copy);
                return Native.beam_options_set_banned_ids(o, ids.at(), ids.len(), frame.error);
            });
            return this;
        }

        /**
         * How special tokens in the prompt are encoded.
         *
         * @param specialTokens the value
         * @return this
         */
        public Builder specialTokens(SpecialTokens specialTokens) {
            setters.add((frame, o) -> Native.beam_options_set_special_tokens(o, specialTokens.number, frame.error));
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
