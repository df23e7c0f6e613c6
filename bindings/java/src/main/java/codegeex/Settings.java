package codegeex;

import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.function.Consumer;

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

    static String get(Handle own, String key, Getter getter) {
        try (Frame frame = new Frame(); Handle.Use options = own.use()) {
            Frame.Array k = frame.text(key);
            MemorySegment value = frame.pointer();
            MemorySegment len = frame.size();
            frame.check(getter.get(options.at(), k.at(), k.len(), value, len, frame.error));
            return Frame.takeText(value, len);
        }
    }
}
