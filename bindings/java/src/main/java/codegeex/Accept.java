package codegeex;

/** What of a suggestion is accepted. */
public enum Accept {
    /** White space, then a word or a run of other characters. */
    WORD(Native.ACCEPT_WORD),
    /** The first line that is not blank, with its line break and the blank ones before it. */
    LINE(Native.ACCEPT_LINE),
    /** All of it. */
    ALL(Native.ACCEPT_ALL);

    final int number;

    Accept(int number) {
        this.number = number;
    }
}
