package codegeex;

import static codegeex.Support.assertStatus;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;

final class CodeTest {
    @Test
    void stops() {
        CodeStop stop = new CodeStop("python", "function", "def one():\n");
        assertEquals(new CodeText("    return 1", FinishReason.NONE), stop.push("    return 1\n"));
        assertEquals(new CodeText("", FinishReason.END_OF_FUNCTION), stop.push("\nd"));
        assertEquals(new CodeText("", FinishReason.END_OF_FUNCTION), stop.push("ef two"));
        stop.close();
        stop.close();
        assertThrows(IllegalStateException.class, () -> stop.push("x"));
        // What is held back is text after all.
        try (CodeStop block = new CodeStop("Go", "block", "if x {")) {
            assertEquals("\n\ty()\n", block.push("\n\ty()\n").text() + block.finish());
        }
        assertEquals(new CodeText("    return 'é 🎉'", FinishReason.END_OF_FUNCTION),
                Code.cut("python", "function", "def one():\n", "    return 'é 🎉'\n\ndef two():"));
        assertEquals(new CodeText("    é", FinishReason.NONE), Code.cut("python", "function", "def one():\n", "    é"));
        assertStatus(Status.INVALID_ARGUMENT, () -> new CodeStop("pyton", "line", ""));
        assertStatus(Status.INVALID_ARGUMENT, () -> new CodeStop("python", "lines", ""));
        assertStatus(Status.INVALID_ARGUMENT, () -> Code.cut("python", "", "", "x"));
        assertStatus(Status.INVALID_UTF8, () -> Code.cut("python", "line", "\ud800", "x"));
    }

    @Test
    void whatEditorsDo() {
        assertEquals("'é' }", Code.cutAtScope("rust", "fn f() -> u8 { ", "'é' }\n\nfn g() -> u8 { 2 }\n"));
        assertEquals("x", Code.withoutOverlap("python", "print(len(", "x))", "))\n"));
        assertEquals(Optional.of(new Indentation(2)), Code.indentation("js", "function f() {\n  g(a,\n    b);\n"));
        assertEquals(Optional.of(Indentation.TABS), Code.indentation("go", "if x {\n\ty()\n}\n"));
        assertEquals(Optional.empty(), Code.indentation("js", "f();\n"));
        assertTrue(Indentation.TABS.isTabs());
        assertFalse(new Indentation(16).isTabs());
        assertThrows(IllegalArgumentException.class, () -> new Indentation(17));
        assertThrows(IllegalArgumentException.class, () -> new Indentation(-1));
        String before = "func f() {\n\tif a {\n\t\tb()\n\t}\n\t";
        assertEquals("if c {\n\t\td()\n\t}\n",
                Code.reindent("go", Indentation.TABS, before, "if c {\n        d()\n    }\n"));
        assertStatus(Status.INVALID_ARGUMENT, () -> Code.indentation("no such", ""));
    }

    @Test
    void candidates() {
        assertArrayEquals(new int[] {1, 3}, Code.distinct(List.of("", "return x", "return x\n", "  return x", " \t")));
        assertArrayEquals(new int[0], Code.distinct(List.of()));
        float[] two = {-0.5f, -0.5f};
        float[] four = {-0.25f, -0.25f, -0.25f, -0.25f};
        assertEquals(List.of(new Ranked(1, -0.25), new Ranked(0, -0.5)),
                Code.rank(List.of(new Likelihood(two, null), new Likelihood(four, null))));
        assertEquals(List.of(new Ranked(0, -0.75), new Ranked(1, -2.25)), Code.rank(List.of(
                new Likelihood(two, new float[] {-0.25f, -0.25f}), new Likelihood(four, new float[] {-4, 0}))));
        assertEquals(1, Code.rank(List.of(new Likelihood(two, new float[] {0}), new Likelihood(four, null)))
                .getFirst().index());
        List<Ranked> odd = Code.rank(List.of(new Likelihood(new float[] {Float.NaN}, new float[0]),
                new Likelihood(four, null)));
        assertEquals(1, odd.getFirst().index());
        assertFalse(Double.isNaN(odd.getLast().score()));
        assertEquals(List.of(), Code.rank(List.of()));
    }

    @Test
    void tokens() {
        assertEquals(List.of(new CodeToken(CodeKind.STRING, "'🎉'", 0, 0), new CodeToken(CodeKind.OPENER, "(", 4, 1),
                new CodeToken(CodeKind.WORD, "é", 5, 1), new CodeToken(CodeKind.CLOSER, ")", 6, 0),
                new CodeToken(CodeKind.BLANK, " ", 7, 0), new CodeToken(CodeKind.COMMENT, "# {", 8, 0)),
                Code.scan("python", "'🎉'(é) # {"));
        assertEquals(List.of(), Code.scan("go", ""));
        assertEquals(CodeKind.OTHER, CodeKind.of(99));
        assertStatus(Status.INVALID_ARGUMENT, () -> Code.scan("no such", ""));
    }
}
