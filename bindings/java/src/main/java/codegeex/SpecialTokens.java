package codegeex;

/** How special tokens in a text, such as {@code <|endoftext|>}, are encoded. */
public enum SpecialTokens {
    /** Encoded as plain text: no input can produce a control token. */
    AS_TEXT(Native.SPECIAL_AS_TEXT),
    /** Encoded as the token that it names. */
    PARSE(Native.SPECIAL_PARSE);

    final int number;

    SpecialTokens(int number) {
        this.number = number;
    }
}
