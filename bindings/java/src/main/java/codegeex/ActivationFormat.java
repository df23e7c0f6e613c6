package codegeex;

/** Precision of activations in quantized layers. */
public enum ActivationFormat {
    /** INT16 with a scale for each token. */
    INT16(Native.ACTIVATIONS_INT16),
    /** INT8 with a scale for each group of 256 inputs: faster for prompts and large batches, less exact. */
    INT8(Native.ACTIVATIONS_INT8);

    final int number;

    ActivationFormat(int number) {
        this.number = number;
    }
}
