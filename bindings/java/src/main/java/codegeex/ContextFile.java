package codegeex;

import java.util.Objects;

/**
 * Another file of the repository, in a fill-in-the-middle prompt.
 *
 * @param path its path, relative to the root of the repository
 * @param text its text, or the part of it that matters
 */
public record ContextFile(String path, String text) {
    /** Checks that both are there. */
    public ContextFile {
        Objects.requireNonNull(path, "path");
        Objects.requireNonNull(text, "text");
    }
}
