package codegeex;

import java.lang.foreign.Arena;
import java.lang.foreign.SymbolLookup;
import java.nio.file.Files;
import java.nio.file.Path;

/** Where the library is. */
final class Library {
    private Library() {}

    static SymbolLookup open() {
        String named = System.getProperty("codegeex.library");
        if (named == null) {
            named = System.getenv("CODEGEEX_LIBRARY");
        }
        if (named != null) {
            return open(Path.of(named));
        }
        String file = System.mapLibraryName("codegeex");
        for (String folder : System.getProperty("java.library.path", "").split(java.io.File.pathSeparator)) {
            if (!folder.isEmpty() && Files.isRegularFile(Path.of(folder, file))) {
                return open(Path.of(folder, file));
            }
        }
        return load(file, () -> SymbolLookup.libraryLookup(file, Arena.global()));
    }

    private static SymbolLookup open(Path path) {
        return load(path.toString(), () -> SymbolLookup.libraryLookup(path.toAbsolutePath(), Arena.global()));
    }

    private static SymbolLookup load(String what, java.util.function.Supplier<SymbolLookup> lookup) {
        try {
            return lookup.get();
        } catch (IllegalArgumentException e) {
            UnsatisfiedLinkError error = new UnsatisfiedLinkError("cannot load " + what + ": name the file of"
                    + " libcodegeex.so in the system property codegeex.library or in CODEGEEX_LIBRARY, or its"
                    + " folder in java.library.path");
            error.initCause(e);
            throw error;
        }
    }
}
