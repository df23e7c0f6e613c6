package codegeex;

import java.util.ArrayList;
import java.util.List;

/**
 * Options of a conversion. Unset options keep their defaults: element types unchanged, no quantization, no
 * overwriting. Immutable.
 */
public final class ConvertOptions {
    final Handle own;
    private final List<Settings.Setter> setters;

    private ConvertOptions(List<Settings.Setter> setters) {
        this.setters = List.copyOf(setters);
        own = Settings.make("convert options", Native::convert_options_new, Native::convert_options_free, setters);
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
        return OptionKey.list(Native::convert_options_key);
    }

    /**
     * The value of an option as text.
     *
     * @param key the key
     * @return the value, in the format of {@link Builder#set}
     */
    public String get(String key) {
        return Settings.get(own, key, Native::convert_options_get);
    }

    /** A use of options that may be null. */
    static Handle.Use use(ConvertOptions options) {
        return options == null ? Handle.NULL : options.own.use();
    }

    /** Sets options in order; a later one wins. */
    public static final class Builder {
        private final List<Settings.Setter> setters;

        private Builder(List<Settings.Setter> setters) {
            this.setters = new ArrayList<>(setters);
        }

        /**
         * The element type of tensors that are not quantized, by name: {@code keep}, {@code f32}, {@code f16} or
         * {@code bf16}.
         *
         * @param dtype the name
         * @return this
         */
        public Builder dtype(String dtype) {
            return set("dtype", dtype);
        }

        /**
         * Quantization of the linear layers, by name: {@code none}, {@code int8} or {@code int4}.
         *
         * @param quantize the name
         * @return this
         */
        public Builder quantize(String quantize) {
            return set("quantize", quantize);
        }

        /**
         * Whether the word embedding, which is also the LM head, is quantized to INT8.
         *
         * @param quantizeHead the value
         * @return this
         */
        public Builder quantizeHead(boolean quantizeHead) {
            return set("quantize_head", Boolean.toString(quantizeHead));
        }

        /**
         * Number of threads for quantization; 0 means one for each available core.
         *
         * @param threads the value
         * @return this
         */
        public Builder threads(long threads) {
            return set("threads", Long.toString(Frame.size(threads, "threads")));
        }

        /**
         * Whether an existing file may be replaced, atomically at the end.
         *
         * @param overwrite the value
         * @return this
         */
        public Builder overwrite(boolean overwrite) {
            return set("overwrite", Boolean.toString(overwrite));
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
            setters.add(Settings.byKey(key, value, Native::convert_options_set));
            return this;
        }

        /**
         * Builds the options.
         *
         * @return the options
         * @throws CodegeexException if a value is refused
         */
        public ConvertOptions build() {
            return new ConvertOptions(setters);
        }
    }
}
