package codegeex;

/**
 * How well a model predicts tokens.
 *
 * @param value the exponential of the mean negative log-probability
 * @param logProbability the sum of log-probabilities
 * @param tokens the number of predicted tokens
 */
public record Perplexity(double value, double logProbability, long tokens) {}
