package codegeex;

/** How the bytes of a checkpoint come into memory. */
public enum MemoryMode {
    /** Files are mapped: opening costs next to nothing. They must not be truncated meanwhile. */
    MAP(Native.MEMORY_MAP),
    /** Files are read into memory of their own. */
    COPY(Native.MEMORY_COPY),
    /** Files are mapped and locked in memory, which needs a limit of locked memory as large as they are. */
    LOCK(Native.MEMORY_LOCK);

    final int number;

    MemoryMode(int number) {
        this.number = number;
    }
}
