package codegeex;

/** How keys and values are kept. */
public enum KvFormat {
    /** In single precision, as they are computed. */
    F32(Native.KV_F32),
    /** In half precision. */
    F16(Native.KV_F16),
    /** In eight bits with a scale for each token and head. */
    INT8(Native.KV_INT8);

    final int number;

    KvFormat(int number) {
        this.number = number;
    }
}
