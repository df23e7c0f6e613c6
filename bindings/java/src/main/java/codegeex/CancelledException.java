package codegeex;

import java.io.Serial;
import java.util.List;

/** The call was cancelled: by its token, by an interrupt of its thread, or because its service was closed. */
public final class CancelledException extends CodegeexException {
    @Serial
    private static final long serialVersionUID = 1;

    CancelledException(String message, List<String> causes) {
        super(Status.CANCELLED, message, causes);
    }
}
