package codegeex;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.SymbolLookup;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;

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
        String inside = "natives/" + platform() + "/" + file;
        try (InputStream packed = Library.class.getResourceAsStream(inside)) {
            if (packed != null) {
                return unpacked(packed, file);
            }
        } catch (IOException e) {
            throw new UncheckedIOException("cannot unpack " + inside + " of the jar", e);
        }
        return load(file, () -> SymbolLookup.libraryLookup(file, Arena.global()));
    }

    /** The system and the processor, as the folders of native libraries in a jar are named. */
    private static String platform() {
        String system = System.getProperty("os.name").toLowerCase(Locale.ROOT);
        String processor = System.getProperty("os.arch").toLowerCase(Locale.ROOT);
        return (system.startsWith("windows") ? "windows" : system.startsWith("mac") ? "macos" : system)
                + "-"
                + (processor.equals("amd64") ? "x86_64" : processor.equals("arm64") ? "aarch64" : processor);
    }

    /** Loads a library from a copy in the temporary folder, which goes again. */
    private static SymbolLookup unpacked(InputStream packed, String file) throws IOException {
        Path folder = Files.createTempDirectory("codegeex");
        Path copy = folder.resolve(file);
        try {
            Files.copy(packed, copy);
            return open(copy);
        } finally {
            try {
                Files.deleteIfExists(copy);
                Files.deleteIfExists(folder);
            } catch (IOException inUse) {
                // Some systems cannot delete a loaded library.
                folder.toFile().deleteOnExit();
                copy.toFile().deleteOnExit();
            }
        }
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
