package codegeex;

/** When a search by the Hugging Face rules ends. */
public enum EarlyStopping {
    /** {@code False} in transformers: stops when the best running beam scores no better than the worst finished one. */
    NO("no"),
    /** {@code True} in transformers: stops as soon as {@code num_beams} beams have finished. */
    YES("yes"),
    /** {@code "never"} in transformers: stops only when no running beam can improve the result. */
    NEVER("never");

    /** In the options of the library. */
    final String value;

    EarlyStopping(String value) {
        this.value = value;
    }
}
