package codegeex;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/**
 * A prompt with its stop strings and the text around the answer. The result is lead + completion + tail.
 *
 * @param prompt the prompt
 * @param lead the end of the prompt that belongs to the answer
 * @param tail text to append to a finished completion
 * @param language the name of the language of the answer
 * @param stops the stop strings, for {@link GenerateOptions.Builder#addStops}
 */
public record Task(String prompt, String lead, String tail, String language, List<String> stops) {
    @FunctionalInterface
    private interface Maker {
        int make(Frame frame, MemorySegment out);
    }

    private static Task make(Maker maker) {
        try (Frame frame = new Frame()) {
            MemorySegment out = frame.pointer();
            frame.check(maker.make(frame, out));
            MemorySegment task = Frame.at(out);
            try {
                List<String> stops = new ArrayList<>();
                for (long i = 0; i < Native.task_stops(task); i++) {
                    long index = i;
                    stops.add(frame.lent(len -> Native.task_stop(task, index, len)));
                }
                return new Task(frame.lent(len -> Native.task_prompt(task, len)),
                        frame.lent(len -> Native.task_lead(task, len)), frame.lent(len -> Native.task_tail(task, len)),
                        frame.lent(len -> Native.task_language(task, len)), List.copyOf(stops));
            } finally {
                Native.task_free(task);
            }
        }
    }

    /**
     * Completion of code, with the language tag in front.
     *
     * @param language the name of its language
     * @param code the code
     * @return the task
     */
    public static Task complete(String language, String code) {
        return make((frame, out) -> {
            Frame.Array l = frame.text(language);
            Frame.Array c = frame.text(code);
            return Native.task_complete(l.at(), l.len(), c.at(), c.len(), out, frame.error);
        });
    }

    /**
     * Explanation of code: the same code with a comment before every line.
     *
     * @param language the name of its language
     * @param code the code
     * @return the task
     */
    public static Task explain(String language, String code) {
        return make((frame, out) -> {
            Frame.Array l = frame.text(language);
            Frame.Array c = frame.text(code);
            return Native.task_explain(l.at(), l.len(), c.at(), c.len(), out, frame.error);
        });
    }

    /**
     * Documentation of a function or a type, in the usual form of the language.
     *
     * @param language the name of its language
     * @param code the code
     * @return the task
     */
    public static Task docstring(String language, String code) {
        return make((frame, out) -> {
            Frame.Array l = frame.text(language);
            Frame.Array c = frame.text(code);
            return Native.task_docstring(l.at(), l.len(), c.at(), c.len(), out, frame.error);
        });
    }

    /**
     * Translation of code into another language.
     *
     * @param from the name of its language
     * @param code the code
     * @param to the name of the other language
     * @param declaration the beginning of the translation; if empty, the model chooses one
     * @return the task
     */
    public static Task translate(String from, String code, String to, String declaration) {
        return make((frame, out) -> {
            Frame.Array f = frame.text(from);
            Frame.Array c = frame.text(code);
            Frame.Array t = frame.text(to);
            Frame.Array d = frame.text(declaration);
            return Native.task_translate(f.at(), f.len(), c.at(), c.len(), t.at(), t.len(), d.at(), d.len(), out,
                    frame.error);
        });
    }

    /**
     * A custom prompt from a template, see {@link Prompts#expand}. The template is the whole prompt, including a
     * language tag.
     *
     * @param template the template
     * @param language the name of the language of the answer
     * @param code the code
     * @return the task
     */
    public static Task custom(String template, String language, String code) {
        return make((frame, out) -> {
            Frame.Array t = frame.text(template);
            Frame.Array l = frame.text(language);
            Frame.Array c = frame.text(code);
            return Native.task_custom(t.at(), t.len(), l.at(), l.len(), c.at(), c.len(), out, frame.error);
        });
    }
}
