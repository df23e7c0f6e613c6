package codegeex;

/** The order of a fill-in-the-middle prompt. */
public enum InfillOrder {
    /** The one that the model prefers. */
    AUTO("auto"),
    /** Prefix, suffix, middle. */
    PSM("psm"),
    /** Suffix, prefix, middle. */
    SPM("spm");

    final String value;

    InfillOrder(String value) {
        this.value = value;
    }
}
