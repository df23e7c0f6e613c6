package codegeex;

import static codegeex.Native.L;

import java.lang.foreign.MemorySegment;
import java.util.List;

/**
 * Log-probabilities of given tokens.
 *
 * @param logprobs the log-probability of each token given those before it; NaN for the first
 * @param top the most likely next tokens, best first
 */
public record Score(float[] logprobs, List<TokenLogprob> top) {
    static Score take(MemorySegment score) {
        try (Frame frame = new Frame()) {
            MemorySegment len = frame.size();
            MemorySegment at = Native.score_logprobs(score, len);
            float[] logprobs = Frame.floats(at, len.get(L, 0));
            at = Native.score_top(score, len);
            return new Score(logprobs, Frame.pairs(at, len.get(L, 0)));
        } finally {
            Native.score_free(score);
        }
    }
}
