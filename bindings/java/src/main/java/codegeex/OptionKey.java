package codegeex;

import static codegeex.Native.P;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.function.BiFunction;

/**
 * An option that can be set by key.
 *
 * @param key the key, such as {@code temperature}
 * @param help the description, with the format of the value
 */
public record OptionKey(String key, String help) {
    static List<OptionKey> list(BiFunction<Long, MemorySegment, MemorySegment> key) {
        try (Frame frame = new Frame()) {
            List<OptionKey> keys = new ArrayList<>();
            MemorySegment help = frame.pointer();
            for (long i = 0; ; i++) {
                MemorySegment name = key.apply(i, help);
                if (name.address() == 0) {
                    return List.copyOf(keys);
                }
                keys.add(new OptionKey(Frame.text(name), Frame.text(help.get(P, 0))));
            }
        }
    }
}
