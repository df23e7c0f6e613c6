package codegeex;

/** Format of the KV cache. */
public enum KvFormat {
    /** FP32, as computed. */
    F32(Native.KV_F32),
    /** FP16. */
    F16(Native.KV_F16),
    /** INT8 with a scale for each token and head. */
    INT8(Native.KV_INT8);

    final int number;

    KvFormat(int number) {
        this.number = number;
    }
}
