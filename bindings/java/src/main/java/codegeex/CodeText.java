package codegeex;

/**
 * Text of a completion, up to where a stop rule for code ends it.
 *
 * @param text the text
 * @param finishReason the stop rule that matched; {@link FinishReason#NONE} if none did
 */
public record CodeText(String text, FinishReason finishReason) {}
