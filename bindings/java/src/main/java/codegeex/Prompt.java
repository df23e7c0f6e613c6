package codegeex;

/** The input of a generation: a text or token ids. */
public sealed interface Prompt {
    /**
     * A prompt of text.
     *
     * @param text the text
     */
    record Text(String text) implements Prompt {}

    /**
     * A prompt of token ids.
     *
     * @param ids the ids
     */
    record Ids(int... ids) implements Prompt {}

    /**
     * Creates a prompt of text.
     *
     * @param text the text
     * @return the prompt
     */
    static Prompt of(String text) {
        return new Text(text);
    }

    /**
     * Creates a prompt of token ids.
     *
     * @param ids the ids
     * @return the prompt
     */
    static Prompt of(int... ids) {
        return new Ids(ids);
    }
}
