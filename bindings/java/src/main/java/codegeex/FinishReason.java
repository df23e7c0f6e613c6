package codegeex;

/** Why a completion ended. */
public enum FinishReason {
    /** It has not ended. */
    NONE(Native.FINISH_NONE),
    /** The model ended the text. */
    END_OF_TEXT(Native.FINISH_END_OF_TEXT),
    /** A stop string appeared. */
    STOP(Native.FINISH_STOP),
    /** As many tokens as were asked for. */
    LENGTH(Native.FINISH_LENGTH),
    /** Every position of the model is taken. */
    CONTEXT_FULL(Native.FINISH_CONTEXT_FULL),
    /** The token was set, the thread was interrupted, or the listener asked to stop. */
    CANCELLED(Native.FINISH_CANCELLED),
    /** The time of the options was up. */
    DEADLINE(Native.FINISH_DEADLINE),
    /** The prompt has more tokens to compute than allowed. */
    PREFILL_LIMIT(Native.FINISH_PREFILL_LIMIT),
    /** A rule of code: the line ended. */
    END_OF_LINE(Native.FINISH_END_OF_LINE),
    /** A rule of code: the block ended. */
    END_OF_BLOCK(Native.FINISH_END_OF_BLOCK),
    /** A rule of code: the function ended. */
    END_OF_FUNCTION(Native.FINISH_END_OF_FUNCTION),
    /** A rule of code: a line began in the first column. */
    UNINDENTED_LINE(Native.FINISH_UNINDENTED_LINE),
    /** A rule of code: where the reference ends the generation for HumanEval-X. */
    HUMANEVAL(Native.FINISH_HUMANEVAL),
    /** A reason that came after this package. */
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
     * The name that every language has for it, such as {@code end_of_text}.
     *
     * @return the name
     */
    @Override
    public String toString() {
        return Frame.text(Native.finish_reason_name(number));
    }
}
