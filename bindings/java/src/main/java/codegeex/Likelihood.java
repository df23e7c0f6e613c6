package codegeex;

/**
 * What {@link Code#rank} needs to know about a candidate: natural logarithms of probabilities.
 *
 * @param logprobs the log-probability of each token of the candidate
 * @param suffix the log-probability of each token of the text after the cursor, given the text before the cursor
 *     and the candidate; null if unknown
 */
public record Likelihood(float[] logprobs, float[] suffix) {}
