package codegeex;

import java.lang.foreign.MemorySegment;

/** Functions that build prompts. */
public final class Prompts {
    private Prompts() {}

    /**
     * The prompt for completing code: the language tag, then the code so far.
     *
     * @param language the name of the language
     * @param code the code
     * @return the prompt
     */
    public static String generation(String language, String code) {
        try (Frame frame = new Frame()) {
            Frame.Array l = frame.text(language);
            Frame.Array c = frame.text(code);
            MemorySegment out = frame.pointer();
            MemorySegment len = frame.size();
            frame.check(Native.prompt_generation(l.at(), l.len(), c.at(), c.len(), out, len, frame.error));
            return Frame.takeText(out, len);
        }
    }

    /**
     * Replaces the placeholders of a template with an input: {@code <INPUT>} is the whole input, {@code
     * <INPUT:a,b>} its lines from a (inclusive) to b (exclusive).
     *
     * @param template the template
     * @param input the input
     * @return the text
     */
    public static String expand(String template, String input) {
        try (Frame frame = new Frame()) {
            Frame.Array t = frame.text(template);
            Frame.Array i = frame.text(input);
            MemorySegment out = frame.pointer();
            MemorySegment len = frame.size();
            frame.check(Native.template_expand(t.at(), t.len(), i.at(), i.len(), out, len, frame.error));
            return Frame.takeText(out, len);
        }
    }
}
