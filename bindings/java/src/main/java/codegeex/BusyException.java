package codegeex;

import java.io.Serial;
import java.util.List;

/** The queue is full, or the object is in use by another call. Retry later. */
public final class BusyException extends CodegeexException {
    @Serial
    private static final long serialVersionUID = 1;

    BusyException(String message, List<String> causes) {
        super(Status.BUSY, message, causes);
    }
}
