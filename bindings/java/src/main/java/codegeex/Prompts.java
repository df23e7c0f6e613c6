package codegeex;

import java.lang.foreign.MemorySegment;

/** Texts that the model continues. */
public final class Prompts {
    private Prompts() {}

    /**
     * The prompt for completing code: the tag line of its language, then the code so far.
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
     * Puts an input into the places of a template: {@code <INPUT>} stands for the whole of it,
     * {@code <INPUT:a,b>} for its lines from a up to, but without, b.
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
