package codegeex;

/**
 * A custom sampler: changes the logits of the candidates for the next token.
 *
 * <p>It must depend on its input alone, so that the same input gives the same output; with speculative decoding it
 * may run several times for one position. It may run on a thread of a concurrent call on the same model, or of a
 * service. An exception ends the generation and is thrown by the call.
 */
@FunctionalInterface
public interface Sampler {
    /**
     * Changes the logits of the candidates for the next token.
     *
     * @param input the candidates and the ids so far; valid only until this method returns
     */
    void apply(SamplerInput input);
}
