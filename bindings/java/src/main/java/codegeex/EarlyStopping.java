package codegeex;

/** When a search by the Hugging Face rules ends. */
public enum EarlyStopping {
    /** {@code False} in transformers: stops when the best running beam scores no better than the worst finished one. */
    NO(Native.EARLY_STOPPING_NO),
    /** {@code True} in transformers: stops as soon as {@code num_beams} beams have finished. */
    YES(Native.EARLY_STOPPING_YES),
    /** {@code "never"} in transformers: stops only when no running beam can improve the result. */
    NEVER(Native.EARLY_STOPPING_NEVER);

    final int number;

    EarlyStopping(int number) {
        this.number = number;
    }
}
