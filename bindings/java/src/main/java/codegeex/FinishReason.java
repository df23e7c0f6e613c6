package codegeex;

/** The finish reason of a completion. */
public enum FinishReason {
    /** It has not ended. */
    NONE(Native.FINISH_NONE),
    /** The model ended the text. */
    END_OF_TEXT(Native.FINISH_END_OF_TEXT),
    /** A stop string appeared. */
    STOP(Native.FINISH_STOP),
    /** The maximum number of new tokens was reached. */
    LENGTH(Native.FINISH_LENGTH),
    /** The context length was reached. */
    CONTEXT_FULL(Native.FINISH_CONTEXT_FULL),
    /** The token was set, the thread was interrupted, or the listener cancelled. */
    CANCELLED(Native.FINISH_CANCELLED),
    /** The timeout of the options expired. */
    DEADLINE(Native.FINISH_DEADLINE),
    /** The prompt has more tokens to compute than the prefill limit. */
    PREFILL_LIMIT(Native.FINISH_PREFILL_LIMIT),
    /** Stop rule for code: the line ended. */
    END_OF_LINE(Native.FINISH_END_OF_LINE),
    /** Stop rule for code: the block ended. */
    END_OF_BLOCK(Native.FINISH_END_OF_BLOCK),
    /** Stop rule for code: the function ended. */
    END_OF_FUNCTION(Native.FINISH_END_OF_FUNCTION),
    /** Stop rule for code: a line started in the first column. */
    UNINDENTED_LINE(Native.FINISH_UNINDENTED_LINE),
    /** Stop rule for code: the point where the CodeGeeX reference ends a HumanEval-X generation. */
    HUMANEVAL(Native.FINISH_HUMANEVAL),
    /** A reason that is newer than this package. */
    OTHER(Native.FINISH_OTHER);

    private final int number;

    FinishReason(int number) {
        this.number = number;
    }

    static FinishReason of(int number) {
        for (FinishReason reason : values()) {
            if (reason.number == number) {
                return reason;
            }
        }
        return OTHER;
    }

    /**
     * The name of the reason in all bindings, such as {@code end_of_text}.
     *
     * @return the name
     */
    @Override
    public String toString() {
        return Frame.text(Native.finish_reason_name(number));
    }
}
