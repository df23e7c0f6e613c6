package codegeex;

import java.io.Serial;
import java.util.List;

/** A file or folder does not exist. */
public final class NotFoundException extends CodegeexException {
    @Serial
    private static final long serialVersionUID = 1;

    NotFoundException(String message, List<String> causes) {
        super(Status.NOT_FOUND, message, causes);
    }
}
