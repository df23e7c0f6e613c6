package codegeex;

/** How the inputs of quantized layers are rounded. */
public enum ActivationFormat {
    /** To 16 bits with a scale for each token. */
    INT16(Native.ACTIVATIONS_INT16),
    /** To 8 bits with a scale for each 256 of a token: faster for prompts and many sequences, and less exact. */
    INT8(Native.ACTIVATIONS_INT8);

    final int number;

    ActivationFormat(int number) {
        this.number = number;
    }
}
