package codegeex;

/**
 * A token with its log-probability under the model, before sampling.
 *
 * @param id the token
 * @param logprob its log-probability
 */
public record TokenLogprob(int id, float logprob) {}
