package codegeex;

import java.util.List;

/**
 * An element of a stream: a sampled token or, with a finish reason, the end of a sample.
 *
 * @param sample the index of the sample, from 0
 * @param id the token
 * @param logprob its log-probability under the model, before sampling
 * @param text newly finalized text; may be empty, since a token may end inside a character and a possible
 *     beginning of a stop string is held back
 * @param top the most likely tokens at its position, best first, as many as the options request
 * @param finishReason {@link FinishReason#NONE} for a token; otherwise this is the end of the sample, and the
 *     text is the rest of its text
 * @param stopIndex the index in the options of the stop string that ended the sample; -1 if none did
 */
public record Token(
        int sample, int id, float logprob, String text, List<TokenLogprob> top, FinishReason finishReason,
        int stopIndex) {
    /**
     * Whether it is the end of a sample.
     *
     * @return whether it is
     */
    public boolean isEnd() {
        return finishReason != FinishReason.NONE;
    }
}
