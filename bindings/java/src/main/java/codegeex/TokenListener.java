package codegeex;

/** Event callback of a generation. */
@FunctionalInterface
public interface TokenListener {
    /**
     * A token was sampled, or a sample ended.
     *
     * @param token the token, or the end of a sample
     * @return true to continue, false to end the generation
     */
    boolean onToken(Token token);
}
