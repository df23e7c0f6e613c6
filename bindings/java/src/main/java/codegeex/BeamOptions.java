package codegeex;
import java.util.ArrayList;
import java.util.List;

/**
 * What a beam search is asked to do. What is not set is as usual: four beams of at most 128 tokens by the
 * rules of the reference. Immutable.
 */
public final class BeamOptions {
    final Handle own;
    private final List<Settings.Setter> setters;

    private BeamOptions(List<Settings.Setter> setters) {
        this.setters = List.copyOf(setters);
        own = Settings.make("beam options", Native::beam_options_new, Native::beam_options_free, setters);
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
        return OptionKey.list(Native::beam_options_key);
    }

    /**
     * The value of an option as text.
     *
     * @param key the key
     * @return such a value as {@link Builder#set} takes
     */
    public String get(String key) {
        return Settings.get(own, key, Native::beam_options_get);
    }

    /** A use of options that may be null. */
    static Handle.Use use(BeamOptions options) {
        return options == null ? Handle.NULL : options.own.use();
    }

    /** Sets options one after the other; a later one wins. */
    public static final class Builder {
        private final List<Settings.Setter> setters;

        private Builder(List<Settings.Setter> setters) {
            this.setters = new ArrayList<>(setters);
        }

        /**
         * Beams that run at a time and results at most: 1 to 1024.
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
         * New tokens at most.
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
         * How beams are scored and when a search ends.
         *
         * @param rules the value
         * @return this
         */
        public Builder rules(BeamRules rules) {
            setters.add((frame, o) -> Native.beam_options_set_rules(o, rules.number, frame.error));
            return this;
        }

        /**
         * With the rules of Hugging Face: the power of the length that divides a score, from -64 to 64; 1 unless set.
         *
         * @param lengthPenalty the value
         * @return this
         */
        public Builder lengthPenalty(float lengthPenalty) {
            setters.add((frame, o) -> Native.beam_options_set_length_penalty(o, lengthPenalty, frame.error));
            return this;
        }

        /**
         * With the rules of Hugging Face: when a search ends.
         *
         * @param earlyStopping the value
         * @return this
         */
        public Builder earlyStopping(EarlyStopping earlyStopping) {
            setters.add((frame, o) -> Native.beam_options_set_early_stopping(o, earlyStopping.number, frame.error));
            return this;
        }

        /**
         * Adds a text that ends a beam.
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
         * Ids that no beam contains, in place of those that were set before.
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
         * What a special token spelled out in the prompt means.
         *
         * @param specialTokens the value
         * @return this
         */
        public Builder specialTokens(SpecialTokens specialTokens) {
            setters.add((frame, o) -> Native.beam_options_set_special_tokens(o, specialTokens.number, frame.error));
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
            setters.add(Settings.byKey(key, value, Native::beam_options_set));
            return this;
        }

        /**
         * Makes the options.
         *
         * @return the options
         * @throws CodegeexException where one is refused
         */
        public BeamOptions build() {
            return new BeamOptions(setters);
        }
    }
}
