package codegeex;

import static codegeex.Native.L;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/**
 * A finished sample, or a beam.
 *
 * @param text the text, without the stop string that ended it
 * @param ids the tokens, including those of the stop string
 * @param logprobs the log-probability of each token under the model, before sampling
 * @param top the most likely tokens at each position; empty if none were requested
 * @param finishReason why it ended
 * @param stopIndex the index in the options of the stop string that ended it; -1 if none did
 * @param score the score of a beam; for a sample, the sum of its log-probabilities
 * @param drafted draft tokens proposed by speculative decoding
 * @param accepted draft tokens accepted by the model
 * @param healed with token healing, the number of bytes of the prompt that the first tokens cover; the text
 *     begins after them
 */
public record Completion(
        String text, int[] ids, float[] logprobs, List<List<TokenLogprob>> top, FinishReason finishReason,
        int stopIndex, double score, int drafted, int accepted, long healed) {

    /** Copies completions that the library gave away, and frees them. */
    static List<Completion> take(MemorySegment all) {
        try (Frame frame = new Frame()) {
            MemorySegment len = frame.size();
            List<Completion> completions = new ArrayList<>();
            for (long i = 0; i < Native.completions_count(all); i++) {
                long at = i;
                String text = frame.lent(n -> Native.completions_text(all, at, n));
                MemorySegment lent = Native.completions_ids(all, at, len);
                int[] ids = Frame.ints(lent, len.get(L, 0));
                lent = Native.completions_logprobs(all, at, len);
                float[] logprobs = Frame.floats(lent, len.get(L, 0));
                List<List<TokenLogprob>> top = new ArrayList<>();
                for (int token = 0; token < ids.length; token++) {
                    lent = Native.completions_top_logprobs(all, at, token, len);
                    if (lent.address() == 0 || len.get(L, 0) == 0) {
                        break;
                    }
                    top.add(Frame.pairs(lent, len.get(L, 0)));
                }
                long stop = Native.completions_stop_index(all, at);
                completions.add(new Completion(text, ids, logprobs, List.copyOf(top),
                        FinishReason.of(Native.completions_finish_reason(all, at)),
                        stop == -1 ? -1 : Math.toIntExact(stop), Native.completions_score(all, at),
                        Math.toIntExact(Native.completions_drafted(all, at)),
                        Math.toIntExact(Native.completions_accepted(all, at)), Native.completions_healed(all, at)));
            }
            return List.copyOf(completions);
        } finally {
            Native.completions_free(all);
        }
    }
}
