package codegeex;

/**
 * The indentation of a file.
 *
 * @param spaces the number of spaces, 1 to 16; 0 for tabs
 */
public record Indentation(int spaces) {
    /** Indentation by tabs. */
    public static final Indentation TABS = new Indentation(Native.INDENT_TABS);

    /** Checks the number of spaces. */
    public Indentation {
        if (spaces < 0 || spaces > 16) {
            throw new IllegalArgumentException("spaces is " + spaces + ", expected 1 to 16, or 0 for tabs");
        }
    }

    /**
     * Whether it is by tabs.
     *
     * @return whether it is
     */
    public boolean isTabs() {
        return spaces == Native.INDENT_TABS;
    }
}
