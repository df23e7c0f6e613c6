package codegeex;

/** Progress callback of a long call. */
@FunctionalInterface
public interface ProgressListener {
    /**
     * Called after each part.
     *
     * @param done the amount done, in the unit that the call documents
     * @param total of how much
     * @return true to continue, false to cancel the call
     */
    boolean onProgress(long done, long total);
}
