package codegeex;

/**
 * A token of source code.
 *
 * @param kind what it is
 * @param text its text
 * @param start the index of its first {@code char} in the text
 * @param depth the number of open brackets and blocks after it
 */
public record CodeToken(CodeKind kind, String text, int start, int depth) {}
