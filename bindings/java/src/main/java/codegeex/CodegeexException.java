package codegeex;

import java.io.Serial;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/**
 * An error of the library: a status, a message that says what was found, what was expected and what to do, and
 * the causes.
 */
public class CodegeexException extends RuntimeException {
    @Serial
    private static final long serialVersionUID = 1;

    /** The kind of the error. */
    private final Status status;

    /** Messages of the causes. */
    private final ArrayList<String> causes;

    CodegeexException(Status status, String message, List<String> causes) {
        super(String.join(": ", joined(message, causes)));
        this.status = status;
        this.causes = new ArrayList<>(causes);
    }

    private static List<String> joined(String message, List<String> causes) {
        List<String> all = new ArrayList<>(causes);
        all.add(0, message);
        return all;
    }

    /**
     * The kind of the error.
     *
     * @return the status
     */
    public Status status() {
        return status;
    }

    /**
     * The messages of the causes, nearest first.
     *
     * @return the messages
     */
    public List<String> causes() {
        return List.copyOf(causes);
    }

    /** Converts an error of the library to an exception and frees it. */
    static CodegeexException take(int number, MemorySegment error) {
        try (Frame frame = new Frame()) {
            Status status = Status.of(number);
            String message = frame.lent(len -> Native.error_message(error, len));
            if (message.isEmpty()) {
                message = Frame.text(Native.status_name(number));
            }
            List<String> causes = new ArrayList<>();
            for (long i = 0; i < Native.error_causes(error); i++) {
                long index = i;
                causes.add(frame.lent(len -> Native.error_cause(error, index, len)));
            }
            return switch (status) {
                case CANCELLED -> new CancelledException(message, causes);
                case BUSY -> new BusyException(message, causes);
                case NOT_FOUND -> new NotFoundException(message, causes);
                case MALFORMED_FILE, UNSUPPORTED_FILE, MISSING_TENSOR, SHAPE_MISMATCH, MISSING_CONFIG, INVALID_CONFIG ->
                    new FileFormatException(status, message, causes);
                default -> new CodegeexException(status, message, causes);
            };
        } finally {
            Native.error_free(error);
        }
    }
}
