package codegeex;

/** Kinds of errors. Numbers are the same in every release; later releases may add some. */
public enum Status {
    /** An argument is invalid, or a required argument is NULL. */
    INVALID_ARGUMENT(100),
    /** A token id is out of range for the vocabulary. */
    TOKEN_OUT_OF_RANGE(101),
    /** A sequence would exceed the context length. */
    CONTEXT_OVERFLOW(102),
    /** A state belongs to another model. */
    STATE_MISMATCH(103),
    /** The operating system reported an I/O error. */
    IO(200),
    /** A file or folder does not exist. */
    NOT_FOUND(201),
    /** A file violates its own format: truncated, overlapping or overflowing. */
    MALFORMED_FILE(300),
    /** A well-formed file uses a feature that this library does not support. */
    UNSUPPORTED_FILE(301),
    /** A checkpoint lacks a tensor that the model needs. */
    MISSING_TENSOR(302),
    /** A tensor's shape differs from the model configuration. */
    SHAPE_MISMATCH(303),
    /** The model configuration is missing. */
    MISSING_CONFIG(304),
    /** A model configuration is inconsistent or unsupported. */
    INVALID_CONFIG(305),
    /** Text is not valid UTF-8. */
    INVALID_UTF8(400),
    /** A tokenizer vocabulary is inconsistent. */
    INVALID_VOCABULARY(401),
    /** A computation produced NaN or infinity. */
    NON_FINITE(500),
    /** An allocation failed or exceeded a configured limit. */
    OUT_OF_MEMORY(501),
    /** A backend or instruction set is not available on this machine. */
    BACKEND_UNAVAILABLE(502),
    /** The queue is full, or the handle is in use by another call. Retry later. */
    BUSY(503),
    /** The call was cancelled. */
    CANCELLED(600),
    /** A broken invariant of this library. Please report it. */
    INTERNAL(900),
    /**
     * A panic inside this library, caught at the boundary. Please report it with its message. The handles of the
     * call are poisoned.
     */
    PANIC(901),
    /** An earlier call with the same handle panicked. The handle can only be freed. */
    POISONED(902),
    /** A status that is newer than this package. */
    UNKNOWN(-1);

    private final int number;

    Status(int number) {
        this.number = number;
    }

    /**
     * The number, as in C.
     *
     * @return the number; -1 for {@link #UNKNOWN}
     */
    public int number() {
        return number;
    }

    static Status of(int number) {
        for (Status status : values()) {
            if (status.number == number) {
                return status;
            }
        }
        return UNKNOWN;
    }
}
