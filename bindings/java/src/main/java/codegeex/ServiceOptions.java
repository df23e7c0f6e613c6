package codegeex;
import java.util.ArrayList;
import java.util.List;

/**
 * Bounds of a service. What is not set is as usual: 64 sequences at once, 8 kept prompts, 1024 requests that
 * wait, no limit of memory. Immutable.
 */
public final class ServiceOptions {
    final Handle own;
    private final List<Settings.Setter> setters;

    private ServiceOptions(List<Settings.Setter> setters) {
        this.setters = List.copyOf(setters);
        own = Settings.make("service options", Native::service_options_new, Native::service_options_free, setters);
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
        return OptionKey.list(Native::service_options_key);
    }

    /**
     * The value of an option as text.
     *
     * @param key the key
     * @return such a value as {@link Builder#set} takes
     */
    public String get(String key) {
        return Settings.get(own, key, Native::service_options_get);
    }

    /** A use of options that may be null. */
    static Handle.Use use(ServiceOptions options) {
        return options == null ? Handle.NULL : options.own.use();
    }

    /** Sets options one after the other; a later one wins. */
    public static final class Builder {
        private final List<Settings.Setter> setters;

        private Builder(List<Settings.Setter> setters) {
            this.setters = new ArrayList<>(setters);
        }

        /**
         * Sequences that are computed together at most, at least 1.
         *
         * @param sequences the value
         * @return this
         */
        public Builder sequences(long sequences) {
            long checked = Frame.size(sequences, "sequences");
            setters.add((frame, o) -> Native.service_options_set_sequences(o, checked, frame.error));
            return this;
        }

        /**
         * Tokens of prompts that a step computes at most, at least 1.
         *
         * @param prefillTokens the value
         * @return this
         */
        public Builder prefillTokens(long prefillTokens) {
            long checked = Frame.size(prefillTokens, "prefillTokens");
            setters.add((frame, o) -> Native.service_options_set_prefill_tokens(o, checked, frame.error));
            return this;
        }

        /**
         * Prompts that are kept after they were computed, for requests that begin the same.
         *
         * @param prefixes the value
         * @return this
         */
        public Builder prefixes(long prefixes) {
            long checked = Frame.size(prefixes, "prefixes");
            setters.add((frame, o) -> Native.service_options_set_prefixes(o, checked, frame.error));
            return this;
        }

        /**
         * Requests that wait at most.
         *
         * @param waiting the value
         * @return this
         */
        public Builder waiting(long waiting) {
            long checked = Frame.size(waiting, "waiting");
            setters.add((frame, o) -> Native.service_options_set_waiting(o, checked, frame.error));
            return this;
        }

        /**
         * The most bytes of keys and values that may be planned for.
         *
         * @param cacheBytes the value
         * @return this
         */
        public Builder cacheBytes(long cacheBytes) {
            long checked = Frame.size(cacheBytes, "cacheBytes");
            setters.add((frame, o) -> Native.service_options_set_cache_bytes(o, checked, frame.error));
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
            setters.add(Settings.byKey(key, value, Native::service_options_set));
            return this;
        }

        /**
         * Makes the options.
         *
         * @return the options
         * @throws CodegeexException where one is refused
         */
        public ServiceOptions build() {
            return new ServiceOptions(setters);
        }
    }
}
