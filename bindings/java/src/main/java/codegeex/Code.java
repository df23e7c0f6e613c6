package codegeex;

import static codegeex.Native.D;
import static codegeex.Native.I;
import static codegeex.Native.L;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** Functions over source code: where a completion ends, and what editors do with it before they show it. */
public final class Code {
    private Code() {}

    /** The beginning of a text, by a length in bytes. */
    private static String beginning(String text, Frame.Array bytes, MemorySegment len) {
        long kept = len.get(L, 0);
        return kept == bytes.len() ? text : Frame.text(bytes.at(), kept);
    }

    /**
     * Cuts a whole completion at the first stop rule that matches.
     *
     * @param language the name of the language
     * @param rules a comma-separated list of {@code line}, {@code block}, {@code function}, {@code unindented},
     *     {@code humaneval}
     * @param before the text left of the cursor
     * @param completion the completion
     * @return the text to keep, and the rule
     */
    public static CodeText cut(String language, String rules, String before, String completion) {
        try (Frame frame = new Frame()) {
            Frame.Array l = frame.text(language);
            Frame.Array r = frame.text(rules);
            Frame.Array b = frame.text(before);
            Frame.Array c = frame.text(completion);
            MemorySegment len = frame.size();
            MemorySegment reason = frame.size();
            frame.check(Native.code_cut(l.at(), l.len(), r.at(), r.len(), b.at(), b.len(), c.at(), c.len(), len,
                    reason, frame.error));
            return new CodeText(beginning(completion, c, len), FinishReason.of(reason.get(I, 0)));
        }
    }

    /**
     * Cuts a completion where the scope of the cursor ends.
     *
     * @param language the name of the language
     * @param before the text left of the cursor
     * @param completion the completion
     * @return the text to keep
     */
    public static String cutAtScope(String language, String before, String completion) {
        try (Frame frame = new Frame()) {
            Frame.Array l = frame.text(language);
            Frame.Array b = frame.text(before);
            Frame.Array c = frame.text(completion);
            MemorySegment len = frame.size();
            frame.check(Native.code_cut_at_scope(
                    l.at(), l.len(), b.at(), b.len(), c.at(), c.len(), len, frame.error));
            return beginning(completion, c, len);
        }
    }

    /**
     * The part of a completion that the text after the cursor does not repeat.
     *
     * @param language the name of the language
     * @param before the text left of the cursor
     * @param completion the completion
     * @param after the text right of the cursor
     * @return the text to keep
     */
    public static String withoutOverlap(String language, String before, String completion, String after) {
        try (Frame frame = new Frame()) {
            Frame.Array l = frame.text(language);
            Frame.Array b = frame.text(before);
            Frame.Array c = frame.text(completion);
            Frame.Array a = frame.text(after);
            MemorySegment len = frame.size();
            frame.check(Native.code_without_overlap(
                    l.at(), l.len(), b.at(), b.len(), c.at(), c.len(), a.at(), a.len(), len, frame.error));
            return beginning(completion, c, len);
        }
    }

    /**
     * The indentation of a text.
     *
     * @param language the name of the language
     * @param text the text
     * @return the indentation; empty if it is unknown
     */
    public static Optional<Indentation> indentation(String language, String text) {
        try (Frame frame = new Frame()) {
            Frame.Array l = frame.text(language);
            Frame.Array t = frame.text(text);
            MemorySegment out = frame.size();
            frame.check(Native.code_indentation(l.at(), l.len(), t.at(), t.len(), out, frame.error));
            int found = out.get(I, 0);
            return found == Native.INDENT_UNKNOWN ? Optional.empty() : Optional.of(new Indentation(found));
        }
    }

    /**
     * A completion with the indentation of the file.
     *
     * @param language the name of the language
     * @param indentation the indentation of the file
     * @param before the text left of the cursor
     * @param completion the completion
     * @return the completion, re-indented
     */
    public static String reindent(String language, Indentation indentation, String before, String completion) {
        try (Frame frame = new Frame()) {
            Frame.Array l = frame.text(language);
            Frame.Array b = frame.text(before);
            Frame.Array c = frame.text(completion);
            MemorySegment out = frame.pointer();
            MemorySegment len = frame.size();
            frame.check(Native.code_reindent(l.at(), l.len(), indentation.spaces(), b.at(), b.len(), c.at(), c.len(),
                    out, len, frame.error));
            return Frame.takeText(out, len);
        }
    }

    /**
     * The candidates worth showing: neither blank nor equal to an earlier candidate, ignoring white space at the
     * end.
     *
     * @param candidates the candidates
     * @return their indices, ascending
     */
    public static int[] distinct(List<String> candidates) {
        try (Frame frame = new Frame()) {
            Frame.Array texts = frame.texts(candidates);
            MemorySegment out = frame.pointer();
            MemorySegment len = frame.size();
            frame.check(Native.code_distinct(texts.at(), texts.len(), out, len, frame.error));
            MemorySegment all = Frame.at(out);
            try {
                int[] indices = new int[Math.toIntExact(len.get(L, 0))];
                MemorySegment found = all.reinterpret(L.byteSize() * indices.length);
                for (int i = 0; i < indices.length; i++) {
                    indices[i] = Math.toIntExact(found.getAtIndex(L, i));
                }
                return indices;
            } finally {
                Native.free(all);
            }
        }
    }

    /**
     * Ranks candidates by mean log-probability per token. If all candidates have a suffix, its mean is added.
     *
     * @param candidates the candidates
     * @return the candidates, best first
     */
    public static List<Ranked> rank(List<Likelihood> candidates) {
        try (Frame frame = new Frame()) {
            Frame.Array likelihoods = frame.likelihoods(candidates);
            MemorySegment out = frame.pointer();
            MemorySegment len = frame.size();
            frame.check(Native.code_rank(likelihoods.at(), likelihoods.len(), out, len, frame.error));
            MemorySegment all = Frame.at(out);
            try {
                long each = Native.ranked.LAYOUT.byteSize();
                MemorySegment found = all.reinterpret(each * len.get(L, 0));
                List<Ranked> ranked = new ArrayList<>();
                for (long at = 0; at < found.byteSize(); at += each) {
                    ranked.add(new Ranked(Math.toIntExact(found.get(L, at + Native.ranked.index)),
                            found.get(D, at + Native.ranked.score)));
                }
                return List.copyOf(ranked);
            } finally {
                Native.free(all);
            }
        }
    }

    /**
     * The tokens of source code, which cover all of it: what is code, string or comment, and how many brackets and
     * blocks are open.
     *
     * @param language the name of the language
     * @param text the text
     * @return the tokens
     */
    public static List<CodeToken> scan(String language, String text) {
        try (Frame frame = new Frame()) {
            Frame.Array l = frame.text(language);
            Frame.Array t = frame.text(text);
            MemorySegment out = frame.pointer();
            MemorySegment len = frame.size();
            frame.check(Native.code_scan(l.at(), l.len(), t.at(), t.len(), out, len, frame.error));
            MemorySegment all = Frame.at(out);
            try {
                byte[] bytes = t.at().toArray(ValueLayout.JAVA_BYTE);
                long each = Native.code_token.LAYOUT.byteSize();
                MemorySegment found = all.reinterpret(each * len.get(L, 0));
                List<CodeToken> tokens = new ArrayList<>();
                int start = 0;
                for (long at = 0; at < found.byteSize(); at += each) {
                    String token = new String(bytes, Math.toIntExact(found.get(L, at + Native.code_token.start)),
                            Math.toIntExact(found.get(L, at + Native.code_token.len)), StandardCharsets.UTF_8);
                    tokens.add(new CodeToken(CodeKind.of(found.get(I, at + Native.code_token.kind)), token, start,
                            Math.toIntExact(found.get(L, at + Native.code_token.depth))));
                    start += token.length();
                }
                return List.copyOf(tokens);
            } finally {
                Native.free(all);
            }
        }
    }
}
