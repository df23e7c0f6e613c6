package codegeex;

/** What a special token such as {@code <|endoftext|>} means that is spelled out in a text. */
public enum SpecialTokens {
    /** Text like any other: no text can produce a control token. */
    AS_TEXT(Native.SPECIAL_AS_TEXT),
    /** The token that it spells. */
    PARSE(Native.SPECIAL_PARSE);

    final int number;

    SpecialTokens(int number) {
        this.number = number;
    }
}
