package codegeex;

import static codegeex.Native.F;
import static codegeex.Native.I;
import static codegeex.Native.L;
import static codegeex.Native.P;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;
import java.nio.IntBuffer;

/**
 * The input of a {@link Sampler}: a view of memory of the library, without a copy. Only the thread that calls the
 * sampler may use it, and its buffers, until the sampler returns; later use throws {@link IllegalStateException}.
 */
public final class SamplerInput {
    private static final long EACH = Native.candidate.LAYOUT.byteSize();

    private final MemorySegment prompt;
    private final MemorySegment generated;
    private final MemorySegment candidates;
    private final int size;

    SamplerInput(MemorySegment input, Arena arena) {
        prompt = ids(input, Native.sampler_input.prompt, Native.sampler_input.prompt_len, arena);
        generated = ids(input, Native.sampler_input.generated, Native.sampler_input.generated_len, arena);
        size = Math.toIntExact(input.get(L, Native.sampler_input.candidates_len));
        candidates = input.get(P, Native.sampler_input.candidates).reinterpret(EACH * size, arena, null);
    }

    private static MemorySegment ids(MemorySegment input, long at, long len, Arena arena) {
        return input.get(P, at).reinterpret(I.byteSize() * input.get(L, len), arena, null).asReadOnly();
    }

    private static IntBuffer buffer(MemorySegment ids) {
        return ids.asByteBuffer().order(ByteOrder.nativeOrder()).asIntBuffer();
    }

    /**
     * The ids of the prompt.
     *
     * @return a read-only buffer
     */
    public IntBuffer prompt() {
        return buffer(prompt);
    }

    /**
     * The ids generated so far.
     *
     * @return a read-only buffer
     */
    public IntBuffer generated() {
        return buffer(generated);
    }

    /**
     * Number of candidates.
     *
     * @return at least 1
     */
    public int size() {
        return size;
    }

    /**
     * The id of a candidate. The candidates are in ascending order of their ids.
     *
     * @param index the index of the candidate, from 0
     * @return its id
     */
    public int id(int index) {
        return candidates.get(I, index * EACH + Native.candidate.id);
    }

    /**
     * The logit of a candidate.
     *
     * @param index the index of the candidate, from 0
     * @return its logit
     */
    public float logit(int index) {
        return candidates.get(F, index * EACH + Native.candidate.logit);
    }

    /**
     * Changes the logit of a candidate.
     *
     * @param index the index of the candidate, from 0
     * @param logit the logit; negative infinity removes the candidate
     */
    public void setLogit(int index, float logit) {
        candidates.set(F, index * EACH + Native.candidate.logit, logit);
    }

    /**
     * Finds the candidate of an id.
     *
     * @param id the id
     * @return the index of the candidate; -1 if there is none
     */
    public int find(int id) {
        int low = 0;
        int high = size - 1;
        while (low <= high) {
            int middle = (low + high) >>> 1;
            int order = Integer.compareUnsigned(id(middle), id);
            if (order == 0) {
                return middle;
            }
            if (order < 0) {
                low = middle + 1;
            } else {
                high = middle - 1;
            }
        }
        return -1;
    }
}
