/* A process that may have little more memory than it has: limit MODEL. For many limits of its address
 * space, a child tries to make a tokenizer, to encode four megabytes, and to open a model and generate:
 * each succeeds or is CODEGEEX_OUT_OF_MEMORY, and no signal ends the child. */
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

static void limit(long kib)
{
    struct rlimit most;
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (!file || fscanf(file, "%ld", &pages) != 1)
        _exit(3);
    fclose(file);
    most.rlim_cur = most.rlim_max = (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE) + (rlim_t)kib * 1024;
    if (setrlimit(RLIMIT_AS, &most))
        _exit(3);
}

/* 0 or 1: whether there was enough; 2 for another error. */
static int answer(codegeex_status status)
{
    return status == CODEGEEX_OK ? 0 : status == CODEGEEX_OUT_OF_MEMORY ? 1 : 2;
}

static int attempt(int what, const char *model_path, long kib)
{
    codegeex_tokenizer *tokenizer = NULL;
    codegeex_open_options *options = NULL;
    codegeex_model *model = NULL;
    codegeex_completions *all = NULL;
    codegeex_error *error = NULL;
    size_t n = 4 << 20, len, i;
    uint32_t *ids;
    char *text;
    int found;

    switch (what) {
    case 0:
        limit(kib);
        return answer(codegeex_tokenizer_new(&tokenizer, &error));
    case 1:
        text = malloc(n);
        if (!text || codegeex_tokenizer_new(&tokenizer, NULL))
            return 3;
        for (i = 0; i < n; i++)
            text[i] = "def f(x): return y\n"[i % 19];
        limit(kib);
        return answer(codegeex_tokenizer_encode(tokenizer, text, n, 0, &ids, &len, &error));
    default:
        limit(kib);
        found = answer(codegeex_open_options_new(&options, NULL));
        if (found)
            return found;
        codegeex_open_options_set_threads(options, 2, NULL);
        SET(open, options, "memory", what == 2 ? "map" : "copy", NULL);
        found = answer(codegeex_model_open(model_path, strlen(model_path), options, NULL, NULL, NULL, &model, &error));
        if (found)
            return found;
        return answer(codegeex_model_generate(model, "def f(", 6, NULL, NULL, NULL, NULL, &all, &error));
    }
}

int main(int argc, char **argv)
{
    int what, enough[4] = {0}, short_of[4] = {0};
    long kib;

    if (argc < 2)
        return 2;
    for (what = 0; what < 4; what++)
        for (kib = 64; kib < 260000; kib += kib / 6 + 64) {
            int status = 0;
            pid_t child = fork();
            if (child == 0)
                _exit(attempt(what, argv[1], kib));
            CHECK(child > 0 && waitpid(child, &status, 0) == child);
            if (!WIFEXITED(status) || WEXITSTATUS(status) > 1) {
                fprintf(stderr, "attempt %d with %ld KiB: %s %d\n", what, kib, WIFSIGNALED(status) ? "signal" : "exit",
                        WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
                CHECK(0);
            } else if (WEXITSTATUS(status)) {
                short_of[what]++;
            } else {
                enough[what]++;
            }
        }
    for (what = 0; what < 4; what++)
        CHECK(enough[what] > 0 && short_of[what] > 0);
    return done();
}
