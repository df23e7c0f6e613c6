package codegeex;

import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Consumer;
import java.util.stream.Collectors;

/** How options are made: by setters, one after the other, on options of the library that are new. */
final class Settings {
    private Settings() {}

    /** Sets one option, and returns the status. */
    @FunctionalInterface
    interface Setter {
        int set(Frame frame, MemorySegment options);
    }

    /** The functions of a kind of options. */
    @FunctionalInterface
    interface Maker {
        int make(MemorySegment out, MemorySegment error);
    }

    /** Sets an option by key and value. */
    @FunctionalInterface
    interface ByKey {
        int set(MemorySegment options, MemorySegment key, long keyLen, MemorySegment value, long valueLen, MemorySegment error);
    }

    /** Reads an option by its key. */
    @FunctionalInterface
    interface Getter {
        int get(MemorySegment options, MemorySegment key, long keyLen, MemorySegment value, MemorySegment valueLen, MemorySegment error);
    }

    static Handle make(String what, Maker maker, Consumer<MemorySegment> free, List<Setter> setters) {
        try (Frame frame = new Frame()) {
            MemorySegment out = frame.pointer();
            frame.check(maker.make(out, frame.error));
            Handle made = new Handle(what, Frame.at(out), free);
            try (Handle.Use options = made.use()) {
                for (Setter setter : setters) {
                    frame.check(setter.set(frame, options.at()));
                }
            } catch (RuntimeException | Error e) {
                made.close();
                throw e;
            }
            return made;
        }
    }

    static Setter byKey(String key, String value, ByKey set) {
        return (frame, options) -> {
            Frame.Array k = frame.text(key);
            Frame.Array v = frame.text(value);
            return set.set(options, k.at(), k.len(), v.at(), v.len(), frame.error);
        };
    }

    /** Adds a text to an option that is a JSON array of texts. */
    static Setter append(String key, String text, ByKey set, Getter getter) {
        return (frame, options) -> {
            String texts = get(frame, options, key, getter);
            String more = texts.substring(0, texts.length() - 1) + (texts.equals("[]") ? "" : ",") + json(text) + "]";
            return byKey(key, more, set).set(frame, options);
        };
    }

    static String get(Handle own, String key, Getter getter) {
        try (Frame frame = new Frame(); Handle.Use options = own.use()) {
            return get(frame, options.at(), key, getter);
        }
    }

    private static String get(Frame frame, MemorySegment options, String key, Getter getter) {
        Frame.Array k = frame.text(key);
        MemorySegment value = frame.pointer();
        MemorySegment len = frame.size();
        frame.check(getter.get(options, k.at(), k.len(), value, len, frame.error));
        return Frame.takeText(value, len);
    }

    /** The value of {@code stop_at}. */
    static String stopAt(String language, String rules) {
        return rules.isEmpty() ? "none" : language + ":" + rules;
    }

    /** A timeout in milliseconds, rounded up. */
    static String millis(Duration timeout) {
        if (timeout.isNegative()) {
            throw new IllegalArgumentException("timeout is " + timeout + ", expected no negative one");
        }
        return Long.toString(timeout.plusNanos(999_999).toMillis());
    }

    /** A text as JSON. */
    static String json(String text) {
        StringBuilder quoted = new StringBuilder("\"");
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            if (c == '"' || c == '\\') {
                quoted.append('\\').append(c);
            } else if (c < ' ') {
                quoted.append(String.format("\\u%04x", (int) c));
            } else {
                quoted.append(c);
            }
        }
        return quoted.append('"').toString();
    }

    /** A text as JSON, or none for null. */
    static String jsonOrNone(String text) {
        return text == null ? "none" : json(text);
    }

    /** Files as JSON. */
    static String jsonFiles(List<ContextFile> files) {
        return files.stream()
                .map(file -> "{\"path\":" + json(file.path()) + ",\"text\":" + json(file.text()) + "}")
                .collect(Collectors.joining(",", "[", "]"));
    }

    /** Ids as JSON. */
    static String json(int[] ids) {
        return Arrays.stream(ids).mapToObj(Integer::toUnsignedString).collect(Collectors.joining(",", "[", "]"));
    }

    /** Biases as JSON, in which null is negative infinity. */
    static String json(Map<Integer, Float> biases) {
        return new TreeMap<>(biases).entrySet().stream()
                .map(bias -> "\"" + Integer.toUnsignedString(bias.getKey()) + "\":"
                        + (bias.getValue() == Float.NEGATIVE_INFINITY ? "null" : bias.getValue().toString()))
                .collect(Collectors.joining(",", "{", "}"));
    }
}
