package codegeex;

/** Format of the KV cache. */
public enum KvFormat {
    /** FP32, as computed. */
    F32("f32"),
    /** FP16. */
    F16("f16"),
    /** INT8 with a scale for each token and head. */
    INT8("int8");

    /** In the options of the library. */
    final String value;

    KvFormat(String value) {
        this.value = value;
    }
}
