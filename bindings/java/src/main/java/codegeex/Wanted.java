package codegeex;

/** Which logits {@link State#decode} returns. */
public enum Wanted {
    /** None: the tokens are only added to the state. */
    NONE(Native.LOGITS_NONE),
    /** Logits of the last token only. */
    LAST(Native.LOGITS_LAST),
    /** Logits of every token. */
    ALL(Native.LOGITS_ALL);

    final int number;

    Wanted(int number) {
        this.number = number;
    }
}
