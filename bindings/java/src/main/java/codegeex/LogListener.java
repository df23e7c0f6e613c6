package codegeex;

/** Gets the messages of a model, on every thread that uses it. */
@FunctionalInterface
public interface LogListener {
    /**
     * Something is to be said.
     *
     * @param level how serious it is: ERROR, WARNING, INFO or DEBUG
     * @param message one line
     */
    void onMessage(System.Logger.Level level, String message);

    /**
     * A listener that hands on to a logger.
     *
     * @param logger the logger
     * @return the listener
     */
    static LogListener to(System.Logger logger) {
        return logger::log;
    }
}
