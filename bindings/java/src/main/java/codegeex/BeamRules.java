package codegeex;

/** How beams are scored and when the search ends. */
public enum BeamRules {
    /** The rules of the CodeGeeX reference: the score is the sum of the log-probabilities. */
    REFERENCE(Native.BEAM_RULES_REFERENCE),
    /** The rules of {@code generate} in Hugging Face transformers. */
    HUGGING_FACE(Native.BEAM_RULES_HUGGING_FACE);

    final int number;

    BeamRules(int number) {
        this.number = number;
    }
}
