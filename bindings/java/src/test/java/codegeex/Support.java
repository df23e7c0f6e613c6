package codegeex;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.nio.file.Path;
import org.junit.jupiter.api.function.Executable;

/** What the tests share. */
final class Support {
    static final String CODE = "# language: Python\ndef read_lines(path):";

    private Support() {}

    /** The default model, or another one that CODEGEEX_MODEL names. */
    static Path path() {
        String path = System.getenv("CODEGEEX_MODEL");
        return path != null ? Path.of(path) : Path.of("..", "..", "models", "codegeex_tiny.safetensors");
    }

    static Model open() {
        return Model.open(path());
    }

    static GenerateOptions tokens(int tokens) {
        return GenerateOptions.builder().maxNewTokens(tokens).build();
    }

    /** Long, and not ended by the model. */
    static GenerateOptions endless() {
        return GenerateOptions.builder().maxNewTokens(1500).bannedIds(50256).build();
    }

    static void assertStatus(Status expected, Executable call) {
        assertEquals(expected, assertThrows(CodegeexException.class, call).status());
    }
}
