package codegeex;
import java.util.ArrayList;
import java.util.List;

/**
 * How a checkpoint is converted. What is not set is as usual: every type as it is, nothing quantized, no file
 * replaced. Immutable.
 */
public final class ConvertOptions {
    final Handle own;
    private final List<Settings.Setter> setters;

    private ConvertOptions(List<Settings.Setter> setters) {
        this.setters = List.copyOf(setters);
        own = Settings.make("convert options", Native::convert_options_new, Native::convert_options_free, setters);
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
        return OptionKey.list(Native::convert_options_key);
    }

    /**
     * The value of an option as text.
     *
     * @param key the key
     * @return such a value as {@link Builder#set} takes
     */
    public String get(String key) {
        return Settings.get(own, key, Native::convert_options_get);
    }

    /** A use of options that may be null. */
    static Handle.Use use(ConvertOptions options) {
        return options == null ? Handle.NULL : options.own.use();
    }

    /** Sets options one after the other; a later one wins. */
    public static final class Builder {
        private final List<Settings.Setter> setters;

        private Builder(List<Settings.Setter> setters) {
            this.setters = new ArrayList<>(setters);
        }

        /**
         * The element type of every tensor that is not quantized, by name: {@code keep}, {@code f32}, {@code f16} or
         * {@code bf16}.
         *
         * @param dtype the name
         * @return this
         */
        public Builder dtype(String dtype) {
            setters.add((frame, o) -> {
                Frame.Array at = frame.text(dtype);
                return Native.convert_options_set_dtype(o, at.at(), at.len(), frame.error);
            });
            return this;
        }

        /**
         * What the linear layers are quantized to, by name: {@code none}, {@code int8} or {@code int4}.
         *
         * @param quantize the name
         * @return this
         */
        public Builder quantize(String quantize) {
            setters.add((frame, o) -> {
                Frame.Array at = frame.text(quantize);
                return Native.convert_options_set_quantize(o, at.at(), at.len(), frame.error);
            });
            return this;
        }

        /**
         * Whether the word embedding, which is the LM head as well, is quantized to eight bits.
         *
         * @param quantizeHead the value
         * @return this
         */
        public Builder quantizeHead(boolean quantizeHead) {
            setters.add((frame, o) -> Native.convert_options_set_quantize_head(o, quantizeHead ? 1 : 0, frame.error));
            return this;
        }

        /**
         * Threads that quantize; 0 means one for each core that the process may use.
         *
         * @param threads the value
         * @return this
         */
        public Builder threads(long threads) {
            long checked = Frame.size(threads, "threads");
            setters.add((frame, o) -> Native.convert_options_set_threads(o, checked, frame.error));
            return this;
        }

        /**
         * Whether a file that is there already may be replaced, as a whole and at the end.
         *
         * @param overwrite the value
         * @return this
         */
        public Builder overwrite(boolean overwrite) {
            setters.add((frame, o) -> Native.convert_options_set_overwrite(o, overwrite ? 1 : 0, frame.error));
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
            setters.add(Settings.byKey(key, value, Native::convert_options_set));
            return this;
        }

        /**
         * Makes the options.
         *
         * @return the options
         * @throws CodegeexException where one is refused
         */
        public ConvertOptions build() {
            return new ConvertOptions(setters);
        }
    }
}
