package codegeex;

/** What becomes of a request when there is no room. */
public enum WhenFull {
    /** It waits. */
    WAIT(Native.WHEN_FULL_WAIT),
    /** It is refused, with a {@link BusyException}. */
    REFUSE(Native.WHEN_FULL_REFUSE);

    final int number;

    WhenFull(int number) {
        this.number = number;
    }
}
