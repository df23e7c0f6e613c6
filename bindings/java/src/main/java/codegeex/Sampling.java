package codegeex;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;

/** The samplers of one call. What one of them throws ends the call, which throws it. */
final class Sampling extends Upcalls.Thrown {
    private final List<Sampler> samplers;

    Sampling(List<Sampler> samplers) {
        this.samplers = samplers;
    }

    /** Adds the samplers to options. The library forgets them when neither options nor a call use them any more. */
    void addTo(Frame frame, MemorySegment options) {
        for (Sampler sampler : samplers) {
            MemorySegment userdata = Upcalls.remember(new One(this, sampler));
            frame.check(Native.generate_options_add_sampler(
                    options, Upcalls.SAMPLER, userdata, Upcalls.FORGET, frame.error));
        }
    }

    /** A sampler as the library knows it. */
    record One(Sampling sampling, Sampler sampler) {
        int apply(MemorySegment input) {
            return sampling.hear(() -> {
                // The memory is valid until the sampler returns, and so is the arena.
                try (Arena arena = Arena.ofConfined()) {
                    sampler.apply(new SamplerInput(input, arena));
                }
                return true;
            });
        }
    }

    /** Throws what a sampler threw, or else the error of the call. */
    void end(Frame frame, int status) {
        // A busy session: the samplers belong to another call.
        if (status != Native.BUSY && hasThrown()) {
            frame.dropError();
            rethrow();
        }
        frame.check(status);
    }
}
