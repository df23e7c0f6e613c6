package codegeex;

/** How the files of a checkpoint are loaded into memory. */
public enum MemoryMode {
    /** Memory-map the files: opening is nearly free. Do not truncate them while the model is open. */
    MAP(Native.MEMORY_MAP),
    /** Read the files into private memory. */
    COPY(Native.MEMORY_COPY),
    /** Memory-map and lock the files (mlock). RLIMIT_MEMLOCK must be at least their size. */
    LOCK(Native.MEMORY_LOCK);

    final int number;

    MemoryMode(int number) {
        this.number = number;
    }
}
