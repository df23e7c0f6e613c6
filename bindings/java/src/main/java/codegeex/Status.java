package codegeex;

/** What kind of error happened. Numbers are the same in every release; later releases may add some. */
public enum Status {
    /** An argument is outside what the function accepts, NULL where something is needed included. */
    INVALID_ARGUMENT(100),
    /** A token id is not below the vocabulary size. */
    TOKEN_OUT_OF_RANGE(101),
    /** A sequence would grow past the positions that the model has. */
    CONTEXT_OVERFLOW(102),
    /** A state was handed to a model that did not make it. */
    STATE_MISMATCH(103),
    /** Reading or writing failed in the operating system. */
    IO(200),
    /** A file or folder does not exist. */
    NOT_FOUND(201),
    /** A file breaks the rules of its own format: truncated, overlapping, overflowing. */
    MALFORMED_FILE(300),
    /** A file is well-formed but uses something that this library does not read. */
    UNSUPPORTED_FILE(301),
    /** A checkpoint lacks a tensor that the model needs. */
    MISSING_TENSOR(302),
    /** A tensor has another shape than the model's configuration says. */
    SHAPE_MISMATCH(303),
    /** Nothing says how the model is configured. */
    MISSING_CONFIG(304),
    /** A model configuration contradicts itself or is outside what is supported. */
    INVALID_CONFIG(305),
    /** Bytes are not valid UTF-8 where text is needed. */
    INVALID_UTF8(400),
    /** A tokenizer vocabulary is inconsistent. */
    INVALID_VOCABULARY(401),
    /** A computation met NaN or infinity where a number is needed. */
    NON_FINITE(500),
    /** An allocation was refused, by the system or by a limit that was set. */
    OUT_OF_MEMORY(501),
    /** A backend or an instruction set is not there on this machine. */
    BACKEND_UNAVAILABLE(502),
    /** There is no room at the moment, or the handle serves another call; the same call may succeed later. */
    BUSY(503),
    /** The caller asked to stop. */
    CANCELLED(600),
    /** A broken invariant of this library: please report it. */
    INTERNAL(900),
    /** A panic inside this library, which was caught: please report it with its message. The handles of the call are poisoned. */
    PANIC(901),
    /** An earlier call with the same handle panicked; all that can be done with the handle is to free it. */
    POISONED(902),
    /** A status that came after this package. */
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
