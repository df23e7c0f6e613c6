package codegeex;

/** Log callback of a model. It runs on any thread that uses the model. */
@FunctionalInterface
public interface LogListener {
    /**
     * Called for each log message.
     *
     * @param level the severity: ERROR, WARNING, INFO or DEBUG
     * @param message one line
     */
    void onMessage(System.Logger.Level level, String message);

    /**
     * A listener that forwards to a logger.
     *
     * @param logger the logger
     * @return the listener
     */
    static LogListener to(System.Logger logger) {
        return logger::log;
    }
}
