package codegeex;

import static codegeex.Support.assertStatus;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import org.junit.jupiter.api.Test;

final class TokenizerTest {
    private static final String TEXT = "def größe():\n\t\treturn '漢字 🎉'\0<|endoftext|>";

    @Test
    void encodesAndDecodes() {
        try (Tokenizer tokenizer = new Tokenizer()) {
            int[] plain = tokenizer.encode(TEXT);
            int[] special = tokenizer.encode(TEXT, SpecialTokens.PARSE);
            assertFalse(Arrays.stream(plain).anyMatch(id -> id == tokenizer.endOfText()));
            assertEquals(tokenizer.endOfText(), special[special.length - 1]);
            assertEquals(TEXT, tokenizer.decode(plain, InvalidUtf8.REFUSE));
            assertTrue(tokenizer.vocabSize() > tokenizer.endOfText());
            assertArrayEquals(new int[] {4299, 751, 7, 64, 11, 275, 2599}, tokenizer.encode("def add(a, b):"));
            assertArrayEquals(new int[0], tokenizer.encode(""));
            assertEquals("", tokenizer.decode(new int[0], InvalidUtf8.REFUSE));
        }
    }

    @Test
    void decodesAsIdsCome() {
        Tokenizer tokenizer = new Tokenizer();
        int[] ids = tokenizer.encode(TEXT);
        try (Decoder decoder = tokenizer.newDecoder(InvalidUtf8.REFUSE)) {
            // The decoder keeps what it needs.
            tokenizer.close();
            StringBuilder text = new StringBuilder();
            boolean waited = false;
            for (int id : ids) {
                text.append(decoder.push(id));
                waited |= decoder.isPending();
            }
            text.append(decoder.finish());
            assertEquals(TEXT, text.toString());
            assertTrue(waited);
            assertFalse(decoder.isPending());
        }
    }

    @Test
    void halvesOfCharacters() throws Exception {
        try (Tokenizer tokenizer = new Tokenizer()) {
            int[] party = tokenizer.encode("🎉");
            int[] cut = {party[0]};
            assertEquals("\uFFFD", tokenizer.decode(cut, InvalidUtf8.REPLACE));
            assertStatus(Status.INVALID_UTF8, () -> tokenizer.decode(cut, InvalidUtf8.REFUSE));
            ByteArrayOutputStream bytes = new ByteArrayOutputStream();
            for (int id : party) {
                bytes.write(tokenizer.tokenBytes(id));
            }
            assertEquals("🎉", bytes.toString(StandardCharsets.UTF_8));
            // Half of a character of Java's is none of UTF-8's, and not silently another.
            assertStatus(Status.INVALID_UTF8, () -> tokenizer.encode("🎉".substring(0, 1)));
            assertStatus(Status.TOKEN_OUT_OF_RANGE, () -> tokenizer.tokenBytes(1 << 30));
            assertStatus(Status.NOT_FOUND, () -> Tokenizer.fromFolder(Path.of("/no/such/folder")));
        }
    }
}
