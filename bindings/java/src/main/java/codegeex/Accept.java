package codegeex;

/** Which part of a suggestion is accepted. */
public enum Accept {
    /** The next word or run of other characters, with the whitespace before it. */
    WORD(Native.ACCEPT_WORD),
    /** The first non-blank line, with its line break and the blank lines before it. */
    LINE(Native.ACCEPT_LINE),
    /** The whole suggestion. */
    ALL(Native.ACCEPT_ALL);

    final int number;

    Accept(int number) {
        this.number = number;
    }
}
