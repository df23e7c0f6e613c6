package codegeex;

import static codegeex.Native.L;

import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.stream.LongStream;

/**
 * A programming language of the model.
 *
 * @param name its name, such as {@code python}; some languages have aliases
 * @param tag the language tag at the beginning of a prompt, such as {@code # language: Python}
 */
public record Language(String name, String tag) {
    private static Language at(long index) {
        return new Language(Frame.text(Native.language_name(index)), Frame.text(Native.language_tag(index)));
    }

    /**
     * All languages.
     *
     * @return the languages
     */
    public static List<Language> all() {
        return LongStream.range(0, Native.languages()).mapToObj(Language::at).toList();
    }

    /**
     * Finds a language by its name; case-insensitive.
     *
     * @param name the name
     * @return the language
     */
    public static Language find(String name) {
        try (Frame frame = new Frame()) {
            Frame.Array at = frame.text(name);
            MemorySegment out = frame.size();
            frame.check(Native.language_find(at.at(), at.len(), out, frame.error));
            return at(out.get(L, 0));
        }
    }
}
