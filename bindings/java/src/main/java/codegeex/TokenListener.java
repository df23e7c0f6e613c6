package codegeex;

/** Hears what happens during a generation. */
@FunctionalInterface
public interface TokenListener {
    /**
     * A token was drawn, or a sample ended.
     *
     * @param token what happened
     * @return true to go on, false to end the generation
     */
    boolean onToken(Token token);
}
