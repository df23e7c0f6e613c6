package codegeex;
import java.util.ArrayList;
import java.util.List;

/**
 * How an edit session suggests. What is not set is as usual: 64 tokens at most, healed, with all
 * post-processing. Immutable.
 */
public final class EditOptions {
    final Handle own;
    private final List<Settings.Setter> setters;

    private EditOptions(List<Settings.Setter> setters) {
        this.setters = List.copyOf(setters);
        own = Settings.make("edit options", Native::edit_options_new, Native::edit_options_free, setters);
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
        return OptionKey.list(Native::edit_options_key);
    }

    /**
     * The value of an option as text.
     *
     * @param key the key
     * @return such a value as {@link Builder#set} takes
     */
    public String get(String key) {
        return Settings.get(own, key, Native::edit_options_get);
    }

    /** A use of options that may be null. */
    static Handle.Use use(EditOptions options) {
        return options == null ? Handle.NULL : options.own.use();
    }

    /** Sets options one after the other; a later one wins. */
    public static final class Builder {
        private final List<Settings.Setter> setters;

        private Builder(List<Settings.Setter> setters) {
            this.setters = new ArrayList<>(setters);
        }

        /**
         * How suggestions are generated, in place of 64 tokens at most and healed. Text is only ever text here,
         * whatever these options say of special tokens.
         *
         * @param options the options
         * @return this
         */
        public Builder generate(GenerateOptions options) {
            setters.add((frame, o) -> {
                try (Handle.Use at = options.own.use()) {
                    return Native.edit_options_set_generate(o, at.at(), frame.error);
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
            setters.add(Settings.byKey(key, value, Native::edit_options_set));
            return this;
        }

        /**
         * Makes the options.
         *
         * @return the options
         * @throws CodegeexException where one is refused
         */
        public EditOptions build() {
            return new EditOptions(setters);
        }
    }
}
