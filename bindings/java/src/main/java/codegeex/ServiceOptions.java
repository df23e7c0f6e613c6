package codegeex;

import java.util.ArrayList;
import java.util.List;

/**
 * Limits of a service. Unset options keep their defaults: 64 concurrent sequences, 8 cached prompts, 1024 waiting
 * requests, half of the available memory for the KV cache. Immutable.
 */
public final class ServiceOptions {
    final Handle own;
    private final List<Settings.Setter> setters;

    private ServiceOptions(List<Settings.Setter> setters) {
        this.setters = List.copyOf(setters);
        own = Settings.make("service options", Native::service_options_new, Native::service_options_free, setters);
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
        return OptionKey.list(Native::service_options_key);
    }

    /**
     * The value of an option as text.
     *
     * @param key the key
     * @return the value, in the format of {@link Builder#set}
     */
    public String get(String key) {
        return Settings.get(own, key, Native::service_options_get);
    }

    /** A use of options that may be null. */
    static Handle.Use use(ServiceOptions options) {
        return options == null ? Handle.NULL : options.own.use();
    }

    /** Sets options in order; a later one wins. */
    public static final class Builder {
        private final List<Settings.Setter> setters;

        private Builder(List<Settings.Setter> setters) {
            this.setters = new ArrayList<>(setters);
        }

        /**
         * Maximum batch size in sequences, at least 1.
         *
         * @param sequences the value
         * @return this
         */
        public Builder sequences(long sequences) {
            return set("sequences", Long.toString(Frame.size(sequences, "sequences")));
        }

        /**
         * Maximum number of prompt tokens per step (chunked prefill), at least 1.
         *
         * @param prefillTokens the value
         * @return this
         */
        public Builder prefillTokens(long prefillTokens) {
            return set("prefill_tokens", Long.toString(Frame.size(prefillTokens, "prefillTokens")));
        }

        /**
         * Size of the prompt cache in prompts, for requests that share a prefix.
         *
         * @param prefixes the value
         * @return this
         */
        public Builder prefixes(long prefixes) {
            return set("prefixes", Long.toString(Frame.size(prefixes, "prefixes")));
        }

        /**
         * Maximum number of waiting requests.
         *
         * @param waiting the value
         * @return this
         */
        public Builder waiting(long waiting) {
            return set("waiting", Long.toString(Frame.size(waiting, "waiting")));
        }

        /**
         * Limit of the KV cache of all requests together, in bytes. The default is half of the memory that the
         * system has available when the service is created.
         *
         * @param cacheBytes the value
         * @return this
         */
        public Builder cacheBytes(long cacheBytes) {
            return set("cache_bytes", Long.toString(Frame.size(cacheBytes, "cacheBytes")));
        }

        /**
         * No limit of the KV cache, except that of the model.
         *
         * @return this
         */
        public Builder unlimitedCache() {
            return set("cache_bytes", "unlimited");
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
            setters.add(Settings.byKey(key, value, Native::service_options_set));
            return this;
        }

        /**
         * Builds the options.
         *
         * @return the options
         * @throws CodegeexException if a value is refused
         */
        public ServiceOptions build() {
            return new ServiceOptions(setters);
        }
    }
}
