/* Linked into programs of C++ and Rust with `--wrap=main`: takes a line from standard input before
 * anything of the program runs, and writes it to standard output, followed by `passed`, once the
 * program's own main has returned 0. A program that exits by itself does not get there. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

static char line[256];
static size_t length;

static void take_line(int argc, char **argv, char **envp) {
    (void)argc, (void)argv, (void)envp;
    while (length < sizeof line - 16) {
        ssize_t n = read(0, line + length, sizeof line - 16 - length);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) break;
        length += (size_t)n;
    }
    while (length > 0 && line[length - 1] == '\n') length--;
}

/* Runs before the constructors of the program. */
__attribute__((section(".preinit_array"), used)) static void (*const first)(int, char **, char **) =
    take_line;

extern int __real_main(int, char **, char **);

int __wrap_main(int argc, char **argv, char **envp) {
    int code = __real_main(argc, argv, envp);
    if (code == 0) {
        char report[sizeof line + 16] = "\n";
        memcpy(report + 1, line, length);
        memcpy(report + 1 + length, " passed\n", 8);
        if (write(1, report, length + 9) < 0) return 1;
    }
    return code;
}
