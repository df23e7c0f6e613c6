package codegeex;

/** Hears how far a call is. */
@FunctionalInterface
public interface ProgressListener {
    /**
     * A part was done.
     *
     * @param done how much, in the unit that the call names
     * @param total of how much
     * @return true to go on, false to cancel the call
     */
    boolean onProgress(long done, long total);
}
