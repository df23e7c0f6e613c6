package codegeex;

/** What a token of source code is. */
public enum CodeKind {
    /** A space, tab or other blank in code, except a line break. */
    BLANK(Native.CODE_BLANK),
    /** A line break in code, or at the end of a line comment. */
    NEWLINE(Native.CODE_NEWLINE),
    /** A word, a number, or a keyword that neither opens nor closes a block. */
    WORD(Native.CODE_WORD),
    /** A bracket or keyword that opens. */
    OPENER(Native.CODE_OPENER),
    /** A bracket or keyword that closes what was open. */
    CLOSER(Native.CODE_CLOSER),
    /** A closer without an opener. */
    STRAY(Native.CODE_STRAY),
    /** Any other character of code. */
    SYMBOL(Native.CODE_SYMBOL),
    /** A string with its delimiters, or part of one. */
    STRING(Native.CODE_STRING),
    /** A comment with its delimiters, or part of one. */
    COMMENT(Native.CODE_COMMENT),
    /** A kind that is newer than this package. */
    OTHER(-1);

    private final int number;

    CodeKind(int number) {
        this.number = number;
    }

    static CodeKind of(int number) {
        for (CodeKind kind : values()) {
            if (kind.number == number) {
                return kind;
            }
        }
        return OTHER;
    }
}
