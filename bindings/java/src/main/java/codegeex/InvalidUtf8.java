package codegeex;

/** What becomes of bytes that are not UTF-8 when ids are decoded, which may end inside a character. */
public enum InvalidUtf8 {
    /** They become U+FFFD. */
    REPLACE(Native.INVALID_UTF8_REPLACE),
    /** They are an error. */
    REFUSE(Native.INVALID_UTF8_REFUSE);

    final int number;

    InvalidUtf8(int number) {
        this.number = number;
    }
}
