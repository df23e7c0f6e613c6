package codegeex;

import java.util.List;

/**
 * What a stream yields: a token that was drawn or, with a reason, the end of a sample.
 *
 * @param sample which sample, from 0
 * @param id the token
 * @param logprob its log-probability under the model, before any sampler
 * @param text what is certain now and was not before; it may be empty, since a token may end inside a
 *     character, and what may begin a stop string is held back
 * @param top the likeliest tokens in its place, best first, as many as the options ask for
 * @param finishReason unless it is {@link FinishReason#NONE}, this is the end of the sample and the text
 *     is the rest of its text
 * @param stopIndex the index in the options of the stop string that ended the sample; -1 where none did
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
