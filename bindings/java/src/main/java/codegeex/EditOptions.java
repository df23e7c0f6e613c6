package codegeex;

import java.util.ArrayList;
import java.util.List;

/**
 * Options of an edit session. Unset options keep their defaults: at most 64 tokens, token healing, all
 * post-processing. Immutable.
 */
public final class EditOptions {
    final Handle own;
    private final List<Settings.Setter> setters;
    private final GenerateOptions generate;

    private EditOptions(List<Settings.Setter> setters, GenerateOptions generate) {
        this.setters = List.copyOf(setters);
        this.generate = generate;
        own = make();
    }

    /**
     * Creates a builder.
     *
     * @return a builder with nothing set
     */
    public static Builder builder() {
        return new Builder(List.of(), null);
    }

    /**
     * Creates a builder with a copy of these options.
     *
     * @return a builder
     */
    public Builder toBuilder() {
        return new Builder(setters, generate);
    }

    /**
     * All options that can be set by key.
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
     * @return the value, in the format of {@link Builder#set}
     */
    public String get(String key) {
        return Settings.get(own, key, Native::edit_options_get);
    }

    private Handle make() {
        return Settings.make("edit options", Native::edit_options_new, Native::edit_options_free, setters);
    }

    /** Options that may be null, for one session, with samplers of its own. */
    static Prepared prepare(EditOptions options) {
        if (options == null || options.generate == null || !options.generate.hasSamplers()) {
            return new Prepared(options == null ? Handle.NULL : options.own.use());
        }
        Handle copy = options.make();
        try (Frame frame = new Frame();
                Handle.Use at = copy.use();
                Prepared generate = GenerateOptions.prepare(options.generate)) {
            frame.check(Native.edit_options_set_generate(at.at(), generate.at(), frame.error));
            return new Prepared(copy, generate.sampling());
        } catch (RuntimeException | Error e) {
            copy.close();
            throw e;
        }
    }

    /** Sets options in order; a later one wins. */
    public static final class Builder {
        private final List<Settings.Setter> setters;
        private GenerateOptions generate;

        private Builder(List<Settings.Setter> setters, GenerateOptions generate) {
            this.setters = new ArrayList<>(setters);
            this.generate = generate;
        }

        /**
         * How suggestions are generated, instead of at most 64 tokens with token healing. Special tokens in the
         * text are always encoded as plain text.
         *
         * @param options the options
         * @return this
         */
        public Builder generate(GenerateOptions options) {
            generate = options;
            setters.add((frame, o) -> {
                try (Handle.Use at = options.own.use()) {
                    return Native.edit_options_set_generate(o, at.at(), frame.error);
                }
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
            setters.add(Settings.byKey(key, value, Native::edit_options_set));
            return this;
        }

        /**
         * Builds the options.
         *
         * @return the options
         * @throws CodegeexException if a value is refused
         */
        public EditOptions build() {
            return new EditOptions(setters, generate);
        }
    }
}
