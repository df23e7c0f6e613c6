package codegeex;

import java.io.Serial;
import java.util.List;

/** There is no room at the moment, or the object serves another call; the same call may succeed later. */
public final class BusyException extends CodegeexException {
    @Serial
    private static final long serialVersionUID = 1;

    BusyException(String message, List<String> causes) {
        super(Status.BUSY, message, causes);
    }
}
