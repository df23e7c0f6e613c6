package codegeex;

/** When a search by the rules of Hugging Face ends. */
public enum EarlyStopping {
    /** Looks for better beams until the best running one is no better than the worst finished one. */
    NO(Native.EARLY_STOPPING_NO),
    /** Does not look for better beams. */
    YES(Native.EARLY_STOPPING_YES),
    /** Looks for better beams as long as one could be better. */
    NEVER(Native.EARLY_STOPPING_NEVER);

    final int number;

    EarlyStopping(int number) {
        this.number = number;
    }
}
