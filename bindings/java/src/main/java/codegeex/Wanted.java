package codegeex;

/** Which logits {@link State#decode} returns. */
public enum Wanted {
    /** None: the tokens only enter the state. */
    NONE(Native.LOGITS_NONE),
    /** Those that follow the last token. */
    LAST(Native.LOGITS_LAST),
    /** Those that follow each token. */
    ALL(Native.LOGITS_ALL);

    final int number;

    Wanted(int number) {
        this.number = number;
    }
}
