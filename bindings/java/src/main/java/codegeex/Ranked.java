package codegeex;

/**
 * A ranked candidate.
 *
 * @param index the index of the candidate
 * @param score the mean log-probability per token, higher is better; never NaN
 */
public record Ranked(int index, double score) {}
