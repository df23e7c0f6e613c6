package codegeex;

/** How invalid UTF-8 is handled when ids are decoded: ids may end inside a character. */
public enum InvalidUtf8 {
    /** Replace it with U+FFFD. */
    REPLACE(Native.INVALID_UTF8_REPLACE),
    /** Report an error. */
    REFUSE(Native.INVALID_UTF8_REFUSE);

    final int number;

    InvalidUtf8(int number) {
        this.number = number;
    }
}
