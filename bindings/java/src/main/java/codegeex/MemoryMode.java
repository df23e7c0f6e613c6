package codegeex;

/** How the files of a checkpoint are loaded into memory. */
public enum MemoryMode {
    /** Memory-map the files: opening is nearly free. Do not truncate them while the model is open. */
    MAP("map"),
    /** Read the files into private memory. */
    COPY("copy"),
    /** Memory-map and lock the files (mlock). RLIMIT_MEMLOCK must be at least their size. */
    LOCK("lock");

    /** In the options of the library. */
    final String value;

    MemoryMode(String value) {
        this.value = value;
    }
}
