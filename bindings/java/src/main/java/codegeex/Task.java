package codegeex;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/**
 * A prompt with what is needed to use the answer: lead, completion and tail together are the result.
 *
 * @param prompt what the model continues
 * @param lead the end of the prompt that is the beginning of the answer
 * @param tail what belongs after a completion that has ended
 * @param language the name of the language of the answer
 * @param stops where a completion goes on with something else, for
 *     {@link GenerateOptions.Builder#addStops}
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
     * Code to go on with, after the tag line of its language.
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
     * The same code with a comment before every line that says what the line does.
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
     * The documentation of a function or a type, in the form that is usual for the language.
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
     * The translation of code into another language.
     *
     * @param from the name of its language
     * @param code the code
     * @param to the name of the other language
     * @param declaration how the translation begins; empty lets the model choose
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
     * What a template makes of code, see {@link Prompts#expand}. The template says everything, a tag line
     * included.
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
