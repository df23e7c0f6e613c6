package codegeex;

/** How beams are scored and when the search ends. */
public enum BeamRules {
    /** The rules of the CodeGeeX reference: the score is the sum of the log-probabilities. */
    REFERENCE("reference"),
    /** The rules of {@code generate} in Hugging Face transformers. */
    HUGGING_FACE("hugging_face");

    /** In the options of the library. */
    final String value;

    BeamRules(String value) {
        this.value = value;
    }
}
