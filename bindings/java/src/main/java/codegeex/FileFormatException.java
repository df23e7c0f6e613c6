package codegeex;

import java.io.Serial;
import java.util.List;

/** A checkpoint or a saved state cannot be read: the status says why. */
public final class FileFormatException extends CodegeexException {
    @Serial
    private static final long serialVersionUID = 1;

    FileFormatException(Status status, String message, List<String> causes) {
        super(status, message, causes);
    }
}
