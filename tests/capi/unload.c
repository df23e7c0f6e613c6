/* The library is loaded, used and unloaded several times, also while it still frees memory, and a
 * process that forked before uses it: argv[1] is the library, argv[2] the default model. */
#define _POSIX_C_SOURCE 200809L
#include <dirent.h>
#include <dlfcn.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "check.h"

static int threads(void)
{
    int count = 0;
    struct dirent *entry;
    DIR *folder = opendir("/proc/self/task");

    if (!folder)
        return -1;
    while ((entry = readdir(folder)) != NULL)
        count += entry->d_name[0] != '.';
    closedir(folder);
    return count;
}

/* Whether as many threads are left, once those that free memory are done. */
static int settled(int before)
{
    const struct timespec moment = {0, 10000000};
    int i;

    for (i = 0; i < 3000 && threads() != before; i++)
        nanosleep(&moment, NULL);
    return threads() == before;
}

/* C has no cast from an object pointer to a function pointer. */
static void *library;

static void find(void *function, const char *name)
{
    void *symbol = dlsym(library, name);
    CHECK(symbol != NULL);
    memcpy(function, &symbol, sizeof symbol);
}

/* One token will do. */
static int stop_now(void *userdata, const codegeex_event *event)
{
    (void)userdata;
    return event->kind == CODEGEEX_EVENT_TOKEN;
}

static int stop_late(void *userdata, uint64_t done, uint64_t total)
{
    (void)userdata;
    return done > total - total / 20;
}

static void use(const char *path, const char *model_path, int before)
{
    codegeex_status (*open_model)(const char *, size_t, const codegeex_open_options *,
                                  const codegeex_cancel_token *, codegeex_progress_callback, void *,
                                  codegeex_model **, codegeex_error **);
    codegeex_status (*generate)(const codegeex_model *, const char *, size_t,
                                const codegeex_generate_options *, const codegeex_cancel_token *,
                                codegeex_event_callback, void *, codegeex_completions **,
                                codegeex_error **);
    codegeex_status (*options_new)(codegeex_open_options **, codegeex_error **);
    codegeex_status (*options_set)(codegeex_open_options *, const char *, size_t, const char *, size_t,
                                   codegeex_error **);
    void (*options_free)(codegeex_open_options *);
    void (*model_free)(codegeex_model *);
    codegeex_model *model = NULL;
    codegeex_open_options *options = NULL;

    library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    CHECK(library != NULL);
    if (!library)
        return;
    find(&open_model, "codegeex_model_open");
    find(&generate, "codegeex_model_generate");
    find(&options_new, "codegeex_open_options_new");
    find(&options_set, "codegeex_open_options_set");
    find(&options_free, "codegeex_open_options_free");
    find(&model_free, "codegeex_model_free");
    CHECK(open_model(model_path, strlen(model_path), NULL, NULL, NULL, NULL, &model, NULL) == CODEGEEX_OK);
    CHECK(generate(model, "a", 1, NULL, NULL, stop_now, NULL, NULL, NULL) == CODEGEEX_OK);
    model_free(model);
    CHECK(threads() == before);
    /* What was copied till the cancel is given back aside, and the library goes at once. */
    CHECK(options_new(&options, NULL) == CODEGEEX_OK);
    CHECK(options_set(options, "memory", 6, "copy", CODEGEEX_STRLEN, NULL) == CODEGEEX_OK);
    CHECK(open_model(model_path, strlen(model_path), options, NULL, stop_late, NULL, &model, NULL)
          == CODEGEEX_CANCELLED);
    options_free(options);
    CHECK(dlclose(library) == 0);
}

int main(int argc, char **argv)
{
    void *early;
    pid_t child;
    int i, status = 0, before;

    if (argc != 3)
        return 2;
    before = threads();
    /* Loaded when the process forks, and not used yet; both go on. */
    early = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
    CHECK(early != NULL && threads() == before);
    child = fork();
    CHECK(early != NULL && dlclose(early) == 0);
    for (i = 0; i < 2; i++)
        use(argv[1], argv[2], before);
    if (child == 0)
        return done();
    CHECK(child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    CHECK(settled(before));
    return done();
}
