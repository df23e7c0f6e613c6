package codegeex;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/**
 * Options for opening a model. Unset options keep their defaults: memory-mapped files, all cores, the fastest
 * instruction set, KV cache in FP32, no memory limit, the tokenizer of the checkpoint, no log. Immutable.
 */
public final class OpenOptions {
    final Handle own;
    private final List<Settings.Setter> setters;

    private OpenOptions(List<Settings.Setter> setters) {
        this.setters = List.copyOf(setters);
        own = Settings.make("open options", Native::open_options_new, Native::open_options_free, setters);
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
        return OptionKey.list(Native::open_options_key);
    }

    /**
     * The value of an option as text.
     *
     * @param key the key
     * @return the value, in the format of {@link Builder#set}
     */
    public String get(String key) {
        return Settings.get(own, key, Native::open_options_get);
    }

    /** A use of options that may be null. */
    static Handle.Use use(OpenOptions options) {
        return options == null ? Handle.NULL : options.own.use();
    }

    /** Sets options in order; a later one wins. */
    public static final class Builder {
        private final List<Settings.Setter> setters;

        private Builder(List<Settings.Setter> setters) {
            this.setters = new ArrayList<>(setters);
        }

        /**
         * How the files are loaded into memory.
         *
         * @param memory the value
         * @return this
         */
        public Builder memory(MemoryMode memory) {
            return set("memory", memory.value);
        }

        /**
         * Number of compute threads, including the calling thread; 0 means one for each available core.
         *
         * @param threads the value
         * @return this
         */
        public Builder threads(long threads) {
            return set("threads", Long.toString(Frame.size(threads, "threads")));
        }

        /**
         * The instruction set of the kernels, by name (see {@link Codegeex#cpuTiers}); {@code auto} means the
         * fastest. All give bit-identical results.
         *
         * @param isa the name
         * @return this
         */
        public Builder isa(String isa) {
            return set("isa", isa);
        }

        /**
         * Format of the KV cache.
         *
         * @param kv the value
         * @return this
         */
        public Builder kv(KvFormat kv) {
            return set("kv", kv.value);
        }

        /**
         * Precision of activations in quantized layers.
         *
         * @param activations the value
         * @return this
         */
        public Builder activations(ActivationFormat activations) {
            return set("activations", activations.value);
        }

        /**
         * Limit of the KV cache over all sequences, in bytes.
         *
         * @param memoryLimit the value
         * @return this
         */
        public Builder memoryLimit(long memoryLimit) {
            return set("memory_limit", Long.toString(Frame.size(memoryLimit, "memoryLimit")));
        }

        /**
         * The tokenizer of the model, instead of the vocabulary beside the checkpoint or the built-in tokenizer.
         *
         * @param tokenizer the tokenizer
         * @return this
         */
        public Builder tokenizer(Tokenizer tokenizer) {
            setters.add((frame, o) -> {
                try (Handle.Use at = tokenizer.own.use()) {
                    return Native.open_options_set_tokenizer(o, at.at(), frame.error);
                }
            });
            return this;
        }

        /**
         * Log callback of the model, for messages of a level and more severe ones.
         *
         * @param level the least severe level
         * @param listener receives the messages
         * @return this
         */
        public Builder log(System.Logger.Level level, LogListener listener) {
            setters.add((frame, o) -> {
                // The library gives the number back, if the call fails too.
                MemorySegment userdata = Upcalls.remember(listener);
                return Native.open_options_set_log(o, switch (level) {
                    case ALL, TRACE, DEBUG -> Native.LOG_DEBUG;
                    case INFO -> Native.LOG_INFO;
                    case WARNING -> Native.LOG_WARNING;
                    case ERROR, OFF -> Native.LOG_ERROR;
                }, level == System.Logger.Level.OFF ? MemorySegment.NULL : Upcalls.LOG, userdata, Upcalls.FORGET, frame.error);
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
            setters.add(Settings.byKey(key, value, Native::open_options_set));
            return this;
        }

        /**
         * Builds the options.
         *
         * @return the options
         * @throws CodegeexException if a value is refused
         */
        public OpenOptions build() {
            return new OpenOptions(setters);
        }
    }
}
