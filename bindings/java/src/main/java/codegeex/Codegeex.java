package codegeex;

import java.nio.file.Path;
import java.util.List;
import java.util.stream.LongStream;

/** The library itself: its version, what it can use of this machine, and converting checkpoints. */
public final class Codegeex {
    private Codegeex() {}

    /**
     * The version of the loaded library.
     *
     * @return such as {@code 0.1.0}
     */
    public static String version() {
        return Frame.text(Native.version());
    }

    /**
     * The ABI version of the loaded library.
     *
     * @return the major number, which is in the soname, times 65536, and the minor one
     */
    public static int abiVersion() {
        return Native.abi_version();
    }

    /**
     * The fastest instruction set that the kernels can use on this machine.
     *
     * @return its name
     */
    public static String cpuTier() {
        return Frame.text(Native.cpu_tier());
    }

    /**
     * All instruction sets that the kernels can use on this machine.
     *
     * @return their names, from {@code scalar} to the fastest
     */
    public static List<String> cpuTiers() {
        return LongStream.range(0, Native.cpu_tiers()).mapToObj(i -> Frame.text(Native.cpu_tier_name(i))).toList();
    }

    /**
     * Whether the library was built with a feature.
     *
     * @param name the name of the feature
     * @return whether it was
     */
    public static boolean hasFeature(String name) {
        try (Frame frame = new Frame()) {
            Frame.Array at = frame.text(name);
            return Native.has_feature(at.at(), at.len()) != 0;
        }
    }

    /**
     * Converts a checkpoint of any supported format to one safetensors file. A call that fails or is cancelled
     * leaves the file unchanged.
     *
     * @param path the checkpoint
     * @param out the file
     * @param options the options, or null for the defaults
     * @param open how the checkpoint is read (only memory and configuration are used), or null
     * @param progress receives the bytes written and the total, or null
     * @param cancel cancels the call when it is set, or null
     */
    public static void convert(
            Path path, Path out, ConvertOptions options, OpenOptions open, ProgressListener progress, CancelToken cancel) {
        try (Frame frame = new Frame();
                Handle.Use reading = OpenOptions.use(open);
                Handle.Use set = ConvertOptions.use(options);
                Running running = new Running(cancel)) {
            Frame.Array from = frame.text(path.toString());
            Frame.Array to = frame.text(out.toString());
            Model.withProgress(frame, progress, (callback, userdata) -> Native.convert(from.at(), from.len(),
                    reading.at(), to.at(), to.len(), set.at(), running.token(), callback, userdata, frame.error), () -> {});
        }
    }

    /**
     * Converts a checkpoint.
     *
     * @param path the checkpoint
     * @param out the file
     * @param options the options, or null for the defaults
     */
    public static void convert(Path path, Path out, ConvertOptions options) {
        convert(path, out, options, null, null, null);
    }
}
