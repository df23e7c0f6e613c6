package codegeex;

import java.util.List;

/** What completes prompts: a {@link Model} or a {@link Session}. */
public sealed interface Generator permits Model, Session {
    /**
     * Completes a prompt. Where it is cancelled, what there is by then is the result, and the reason is
     * {@link FinishReason#CANCELLED}.
     *
     * @param prompt what to continue
     * @param options what to do, or null
     * @param listener hears every token as it is drawn, and may end the generation, or null
     * @param cancel ends the generation when it is set, or null
     * @return the samples
     */
    List<Completion> generate(Prompt prompt, GenerateOptions options, TokenListener listener, CancelToken cancel);

    /**
     * Completes a text.
     *
     * @param prompt the text to continue
     * @param options what to do, or null
     * @return the samples
     */
    default List<Completion> generate(String prompt, GenerateOptions options) {
        return generate(Prompt.of(prompt), options, null, null);
    }

    /**
     * Completes a text.
     *
     * @param prompt the text to continue
     * @param options what to do, or null
     * @param listener hears every token as it is drawn, and may end the generation, or null
     * @return the samples
     */
    default List<Completion> generate(String prompt, GenerateOptions options, TokenListener listener) {
        return generate(Prompt.of(prompt), options, listener, null);
    }

    /**
     * Completes a prompt token by token, on a thread of the stream's own. Close the stream: that ends the
     * generation.
     *
     * @param prompt what to continue
     * @param options what to do, or null
     * @param cancel ends the generation when it is set, or null
     * @return the tokens
     */
    TokenStream stream(Prompt prompt, GenerateOptions options, CancelToken cancel);

    /**
     * Completes a text token by token.
     *
     * @param prompt the text to continue
     * @param options what to do, or null
     * @return the tokens
     */
    default TokenStream stream(String prompt, GenerateOptions options) {
        return stream(Prompt.of(prompt), options, null);
    }

    /**
     * Completes a text token by token, with the usual options.
     *
     * @param prompt the text to continue
     * @return the tokens
     */
    default TokenStream stream(String prompt) {
        return stream(prompt, null);
    }
}
