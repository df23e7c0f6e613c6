package codegeex;

import java.lang.foreign.MemorySegment;
import java.util.List;

/** Generates by one of the library's functions: for a text, and for ids. */
record Generation(Handle own, Call text, Call ids) {
    /** A function of the library's. */
    @FunctionalInterface
    interface Call {
        int call(MemorySegment handle, MemorySegment prompt, long len, MemorySegment options, MemorySegment cancel,
                MemorySegment callback, MemorySegment userdata, MemorySegment out, MemorySegment error);
    }

    List<Completion> run(Prompt prompt, GenerateOptions options, TokenListener listener, CancelToken cancel) {
        try (Handle.Use handle = own.use()) {
            return run(handle, prompt, options, listener, cancel);
        }
    }

    List<Completion> run(
            Handle.Use handle, Prompt prompt, GenerateOptions options, TokenListener listener, CancelToken... cancel) {
        try (Frame frame = new Frame();
                Prepared set = GenerateOptions.prepare(options);
                Running running = new Running(cancel)) {
            MemorySegment out = frame.pointer();
            Frame.Array at = switch (prompt) {
                case Prompt.Text(String text) -> frame.text(text);
                case Prompt.Ids(int[] ids) -> frame.ids(ids);
            };
            Call function = prompt instanceof Prompt.Text ? text : ids;
            if (listener == null) {
                int status = function.call(handle.at(), at.at(), at.len(), set.at(), running.token(),
                        MemorySegment.NULL, MemorySegment.NULL, out, frame.error);
                List<Completion> completions = Completion.take(Frame.at(out));
                set.sampling().end(frame, status);
                return completions;
            }
            try (Upcalls.Events events = new Upcalls.Events(listener)) {
                int status = function.call(handle.at(), at.at(), at.len(), set.at(), running.token(),
                        Upcalls.EVENT, events.userdata(), out, frame.error);
                List<Completion> completions = Completion.take(Frame.at(out));
                set.sampling().end(frame, status);
                events.rethrow();
                return completions;
            }
        }
    }
}
