package codegeex;

/**
 * The log-probabilities (natural logarithms) of a candidate, for {@link Code#rank}.
 *
 * @param logprobs the log-probability of each token of the candidate
 * @param suffix the log-probability of each token of the text after the cursor, given the text before the cursor
 *     and the candidate; null or empty if unknown
 */
public record Likelihood(float[] logprobs, float[] suffix) {}
