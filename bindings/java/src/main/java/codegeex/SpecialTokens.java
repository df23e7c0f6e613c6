package codegeex;

/** How special tokens in a text, such as {@code <|endoftext|>}, are encoded. */
public enum SpecialTokens {
    /** Encoded as plain text: no input can produce a control token. */
    AS_TEXT(Native.SPECIAL_AS_TEXT, "text"),
    /** Encoded as the token that it names. */
    PARSE(Native.SPECIAL_PARSE, "parse");

    final int number;
    /** In the options of the library. */
    final String value;

    SpecialTokens(int number, String value) {
        this.number = number;
        this.value = value;
    }
}
