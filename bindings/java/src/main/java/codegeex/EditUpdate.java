package codegeex;

/**
 * Effect of an update of the text.
 *
 * @param clippedBytes bytes cut from the beginning of the text because it is too long for the model
 * @param clippedLines line breaks in those bytes
 * @param moved whether the visible text now starts at another place, so that the KV cache is computed again
 * @param isAlive whether a suggestion still matches the text, so that nothing needs to be computed
 */
public record EditUpdate(long clippedBytes, long clippedLines, boolean moved, boolean isAlive) {}
