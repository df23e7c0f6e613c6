package codegeex;

/** Precision of activations in quantized layers. */
public enum ActivationFormat {
    /** INT16 with a scale for each token. */
    INT16("int16"),
    /** INT8 with a scale for each group of 256 inputs: faster for prompts and large batches, less exact. */
    INT8("int8");

    /** In the options of the library. */
    final String value;

    ActivationFormat(String value) {
        this.value = value;
    }
}
