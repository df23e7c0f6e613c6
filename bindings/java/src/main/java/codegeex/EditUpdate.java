package codegeex;

/**
 * What a new text changed.
 *
 * @param clippedBytes bytes from the beginning of the text that the model does not see, because it is too
 *     long
 * @param clippedLines line breaks in them
 * @param moved whether what the model sees begins elsewhere than before, so that it will be read anew
 * @param isAlive whether a suggestion agrees with what was typed: nothing need be computed
 */
public record EditUpdate(long clippedBytes, long clippedLines, boolean moved, boolean isAlive) {}
