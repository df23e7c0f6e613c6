package codegeex;

import java.util.List;

/** Completes prompts: a {@link Model} or a {@link Session}. */
public sealed interface Generator permits Model, Session {
    /**
     * Completes a prompt. If it is cancelled, the result is partial, and the reason is {@link
     * FinishReason#CANCELLED}.
     *
     * @param prompt the prompt
     * @param options the options, or null for the defaults
     * @param listener receives every token as it is sampled and may end the generation, or null
     * @param cancel cancels the generation when it is set, or null
     * @return the samples
     */
    List<Completion> generate(Prompt prompt, GenerateOptions options, TokenListener listener, CancelToken cancel);

    /**
     * Completes a text.
     *
     * @param prompt the text to continue
     * @param options the options, or null for the defaults
     * @return the samples
     */
    default List<Completion> generate(String prompt, GenerateOptions options) {
        return generate(Prompt.of(prompt), options, null, null);
    }

    /**
     * Completes a text.
     *
     * @param prompt the text to continue
     * @param options the options, or null for the defaults
     * @param listener receives every token as it is sampled and may end the generation, or null
     * @return the samples
     */
    default List<Completion> generate(String prompt, GenerateOptions options, TokenListener listener) {
        return generate(Prompt.of(prompt), options, listener, null);
    }

    /**
     * Completes the text between a prefix and a suffix, the text before and after a cursor: by fill-in-the-middle
     * where the model has it, see {@link Model#infillFormat}. Other models complete the prefix, and return several
     * samples best first, ranked by the suffix.
     *
     * @param prefix the text before the cursor
     * @param suffix the text after the cursor
     * @param options the options, or null for the defaults
     * @return the samples
     */
    default List<Completion> infill(String prefix, String suffix, GenerateOptions options) {
        return infill(Prompt.of(prefix), suffix, options, null, null);
    }

    /**
     * Completes the text between a prefix and a suffix.
     *
     * @param prefix the text before the cursor
     * @param suffix the text after the cursor
     * @param options the options, or null for the defaults
     * @param listener receives every token as it is sampled and may end the generation, or null
     * @param cancel cancels the generation when it is set, or null
     * @return the samples
     */
    default List<Completion> infill(
            Prompt prefix, String suffix, GenerateOptions options, TokenListener listener, CancelToken cancel) {
        GenerateOptions filled = GenerateOptions.withSuffix(options, suffix);
        try {
            return generate(prefix, filled, listener, cancel);
        } finally {
            filled.own.close();
        }
    }

    /**
     * Completes a prompt token by token, on a separate thread. Close the stream to end the generation.
     *
     * @param prompt the prompt
     * @param options the options, or null for the defaults
     * @param cancel cancels the generation when it is set, or null
     * @return the tokens
     */
    TokenStream stream(Prompt prompt, GenerateOptions options, CancelToken cancel);

    /**
     * Completes a text token by token.
     *
     * @param prompt the text to continue
     * @param options the options, or null for the defaults
     * @return the tokens
     */
    default TokenStream stream(String prompt, GenerateOptions options) {
        return stream(Prompt.of(prompt), options, null);
    }

    /**
     * Completes a text token by token, with the default options.
     *
     * @param prompt the text to continue
     * @return the tokens
     */
    default TokenStream stream(String prompt) {
        return stream(prompt, null);
    }
}
