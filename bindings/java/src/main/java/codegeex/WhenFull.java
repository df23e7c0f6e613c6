package codegeex;

/** What happens to a request when the queue is full. */
public enum WhenFull {
    /** The call blocks until there is room. */
    WAIT(Native.WHEN_FULL_WAIT),
    /** The call throws a {@link BusyException}. */
    REFUSE(Native.WHEN_FULL_REFUSE);

    final int number;

    WhenFull(int number) {
        this.number = number;
    }
}
