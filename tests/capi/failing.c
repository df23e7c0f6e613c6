/* Allocations that fail: failing MODEL FOLDER [RUNS]. A program with an allocator of its own, which the
 * library uses too, runs everything that the library does once for each allocation that there is: once
 * with that one refused, and once with it and all that follow refused. Each call gives its right answer
 * or CODEGEEX_OUT_OF_MEMORY, nothing ends the process, and afterwards as much memory is in use as after
 * a run in which nothing failed. RUNS bounds the number of runs, spread evenly; all of them take an hour.
 *
 * Requests of the system's own (a thread's stack, a file) do not go through here: limit.c has those. One
 * request cannot be refused: what Rust's standard library keeps of a thread that starts, some fifty
 * bytes. The library asks for far more just before and gives it back, so refusing that is what is met. */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <malloc.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);
extern void __libc_free(void *);

static atomic_long count, held, first_refused = -1, last_refused = -1;

/* Where the library is in memory. What the C library asks for on its own account, such as glibc's note of
 * a thread's destructors, is its own affair: it ends the process without it. */
static uintptr_t library_start, library_end;

static void find_library(void)
{
    char line[4096];
    unsigned long start, end;
    FILE *maps = fopen("/proc/self/maps", "r");
    while (maps && fgets(line, sizeof line, maps))
        if (strstr(line, "libcodegeex") && sscanf(line, "%lx-%lx", &start, &end) == 2) {
            if (!library_start)
                library_start = start;
            library_end = end;
        }
    if (maps)
        fclose(maps);
}

/* Whether the request that is returned to there is refused. */
static int refused_to(void *caller)
{
    uintptr_t at = (uintptr_t)caller;
    long n;
    if (at < library_start || at >= library_end)
        return 0;
    n = atomic_fetch_add(&count, 1);
    if (n >= atomic_load(&first_refused) && n <= atomic_load(&last_refused)) {
        errno = ENOMEM;
        return 1;
    }
    return 0;
}

#define refused() refused_to(__builtin_return_address(0))

static void *counted(void *p)
{
    if (p)
        atomic_fetch_add(&held, (long)malloc_usable_size(p));
    return p;
}

void *malloc(size_t n) { return refused() ? NULL : counted(__libc_malloc(n)); }
void *calloc(size_t n, size_t m) { return refused() ? NULL : counted(__libc_calloc(n, m)); }
void *memalign(size_t a, size_t n) { return refused() ? NULL : counted(__libc_memalign(a, n)); }
void *aligned_alloc(size_t a, size_t n) { return refused() ? NULL : counted(__libc_memalign(a, n)); }

int posix_memalign(void **p, size_t a, size_t n)
{
    void *found = refused() ? NULL : counted(__libc_memalign(a, n));
    if (!found)
        return ENOMEM;
    *p = found;
    return 0;
}

void free(void *p)
{
    if (p)
        atomic_fetch_sub(&held, (long)malloc_usable_size(p));
    __libc_free(p);
}

void *realloc(void *p, size_t n)
{
    size_t before = p ? malloc_usable_size(p) : 0;
    void *found;
    if (refused())
        return NULL;
    found = __libc_realloc(p, n);
    if (found)
        atomic_fetch_add(&held, (long)malloc_usable_size(found) - (long)before);
    return found;
}

static const char *model_path, *folder;
static char code[1 << 16];
/* Token healing looks at every token of the vocabulary first: a hundred thousand allocations beside the
 * ten thousand of all else, so it has a series of its own. */
static int wrong, healing;

/* A call that succeeds or finds no memory; 1 if it succeeded. */
static int ok(codegeex_status status, codegeex_error **error, const char *what, int line)
{
    if (status != CODEGEEX_OK && status != CODEGEEX_OUT_OF_MEMORY) {
        const char *message = codegeex_error_message(*error, NULL);
        fprintf(stderr, "line %d: %.60s: %d: %s\n", line, what, (int)status, message ? message : "-");
        wrong++;
    }
    codegeex_error_free(*error);
    *error = NULL;
    return status == CODEGEEX_OK;
}

#define OK(call) ok(call, &error, #call, __LINE__)

static int hear(void *userdata, const codegeex_event *event)
{
    *(size_t *)userdata += event->text_len;
    return 0;
}

static void texts(void)
{
    codegeex_error *error = NULL;
    codegeex_tokenizer *tokenizer = NULL;
    codegeex_decoder *decoder = NULL;
    codegeex_task *task = NULL;
    uint32_t *ids = NULL;
    char *text = NULL;
    size_t ids_len = 0, len = 0;

    if (OK(codegeex_tokenizer_new(&tokenizer, &error))) {
        if (OK(codegeex_tokenizer_encode(tokenizer, code, sizeof code, CODEGEEX_SPECIAL_PARSE, &ids, &ids_len,
                                         &error))) {
            if (OK(codegeex_tokenizer_decode(tokenizer, ids, ids_len, CODEGEEX_INVALID_UTF8_REPLACE, &text, &len,
                                             &error))) {
                CHECK(len == sizeof code && !memcmp(text, code, len));
                codegeex_free(text);
            }
            if (OK(codegeex_decoder_new(tokenizer, CODEGEEX_INVALID_UTF8_REPLACE, &decoder, &error))) {
                if (OK(codegeex_decoder_push(decoder, ids[0], &text, &len, &error)))
                    codegeex_free(text);
                if (OK(codegeex_decoder_finish(decoder, &text, &len, &error)))
                    codegeex_free(text);
            }
            codegeex_free(ids);
        }
    }
    codegeex_decoder_free(decoder);
    codegeex_tokenizer_free(tokenizer);
    if (OK(codegeex_prompt_generation("python", 6, code, sizeof code, &text, &len, &error)))
        codegeex_free(text);
    if (OK(codegeex_template_expand("<INPUT>\n<INPUT:0,2>", 19, code, sizeof code, &text, &len, &error)))
        codegeex_free(text);
    if (OK(codegeex_task_docstring("python", 6, code, sizeof code, &task, &error)))
        codegeex_task_free(task);
}

static void requests(const codegeex_model *model)
{
    static const uint32_t ids[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10};
    codegeex_error *error = NULL;
    codegeex_generate_options *options = NULL;
    codegeex_beam_options *beam = NULL;
    codegeex_completions *all = NULL;
    codegeex_session *session = NULL, *again = NULL;
    codegeex_edit_session *edit = NULL;
    codegeex_service *service = NULL;
    codegeex_ticket *ticket = NULL;
    codegeex_score *score = NULL;
    codegeex_state *state = NULL;
    codegeex_logits *logits = NULL;
    uint8_t *bytes = NULL;
    size_t len = 0, heard = 0;

    if (OK(codegeex_generate_options_new(&options, &error))) {
        OK(codegeex_generate_options_set_max_new_tokens(options, 4, &error));
        OK(codegeex_generate_options_set_temperature(options, 0.8f, &error));
        OK(codegeex_generate_options_set_top_p(options, 0.9f, &error));
        OK(SET(generate, options, "samples", "2", &error));
        OK(SET(generate, options, "top_logprobs", "3", &error));
        OK(SET(generate, options, "heal", healing ? "true" : "false", &error));
        OK(codegeex_generate_options_add_stop(options, "@@", 2, &error));
    }
    if (OK(codegeex_model_generate(model, code, 400, options, NULL, hear, &heard, &all, &error)))
        codegeex_completions_free(all);
    if (OK(codegeex_beam_options_new(&beam, &error))) {
        OK(SET(beam, beam, "max_new_tokens", "3", &error));
        OK(SET(beam, beam, "num_beams", "2", &error));
        if (OK(codegeex_model_beam_search(model, code, 100, beam, NULL, &all, &error)))
            codegeex_completions_free(all);
    }
    codegeex_beam_options_free(beam);
    if (OK(codegeex_model_score(model, ids, 10, 3, NULL, &score, &error)))
        codegeex_score_free(score);
    if (OK(codegeex_session_new(model, &session, &error))) {
        if (OK(codegeex_session_generate(session, code, 200, options, NULL, hear, &heard, &all, &error)))
            codegeex_completions_free(all);
        if (OK(codegeex_session_save(session, &bytes, &len, &error))) {
            if (OK(codegeex_session_restore(model, bytes, len, &again, &error)))
                codegeex_session_free(again);
            codegeex_free(bytes);
        }
    }
    codegeex_session_free(session);
    if (OK(codegeex_state_new(model, &state, &error))
        && OK(codegeex_state_decode(state, ids, 10, CODEGEEX_LOGITS_ALL, NULL, &logits, &error)))
        codegeex_logits_free(logits);
    codegeex_state_free(state);
    if (OK(codegeex_edit_session_new(model, "python", 6, NULL, &edit, &error))) {
        OK(codegeex_edit_session_update(edit, code, 300, "\n", 1, NULL, &error));
        OK(codegeex_edit_session_dismiss(edit, &error));
    }
    codegeex_edit_session_free(edit);
    if (OK(codegeex_service_new(model, NULL, &service, &error))
        && OK(codegeex_service_submit(service, code, 100, options, CODEGEEX_WHEN_FULL_WAIT, NULL, &ticket, &error))
        && OK(codegeex_ticket_wait(ticket, &all, &error)))
        codegeex_completions_free(all);
    codegeex_ticket_free(ticket);
    codegeex_service_free(service);
    codegeex_generate_options_free(options);
}

static void everything(void)
{
    codegeex_error *error = NULL;
    codegeex_open_options *options = NULL;
    codegeex_model *model = NULL;
    char out[4096];

    texts();
    if (OK(codegeex_open_options_new(&options, &error)))
        OK(codegeex_open_options_set_threads(options, 2, &error));
    if (OK(codegeex_model_open(model_path, strlen(model_path), options, NULL, NULL, NULL, &model, &error)))
        requests(model);
    codegeex_model_free(model);
    codegeex_open_options_free(options);
    snprintf(out, sizeof out, "%s/failing.%ld.safetensors", folder, (long)getpid());
    OK(codegeex_convert(model_path, strlen(model_path), NULL, out, strlen(out), NULL, NULL, NULL, NULL,
                        &error));
    unlink(out);
}

/* A run in a process of its own: its exit status, or a signal. */
static int run(long first, long last, long expected_held)
{
    int status = 0;
    pid_t child = fork();
    if (child < 0)
        return -1;
    if (child == 0) {
        failures = wrong = 0;
        atomic_store(&count, 0);
        atomic_store(&first_refused, first);
        atomic_store(&last_refused, last);
        everything();
        atomic_store(&first_refused, -1);
        atomic_store(&last_refused, -1);
        /* Small tables that grow once are those of the second run. */
        everything();
        if (expected_held >= 0 && atomic_load(&held) > expected_held) {
            fprintf(stderr, "%ld bytes are in use, expected %ld\n", (long)atomic_load(&held), expected_held);
            wrong++;
        }
        _exit(wrong || failures ? 1 : 0);
    }
    waitpid(child, &status, 0);
    return status;
}

/* A series of runs. */
static void series(long runs)
{
    long total, allocations, step, n, settled;
    int which;

    everything();
    everything();
    CHECK(wrong == 0);
    settled = atomic_load(&held);
    total = atomic_load(&count);
    everything();
    allocations = atomic_load(&count) - total;
    fprintf(stderr, "%ld allocations in a run\n", allocations);
    CHECK(allocations > 1000);
    step = 2 * allocations / runs;
    for (n = 0; n < allocations; n += step ? step : 1)
        for (which = 0; which < 2; which++) {
            int status = run(n, which ? LONG_MAX : n, settled + 4096);
            if (status != 0) {
                fprintf(stderr, "allocation %ld%s: %s %d\n", n, which ? " and all that follow" : "",
                        WIFSIGNALED(status) ? "signal" : "exit",
                        WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
                CHECK(status == 0);
            }
        }
}

int main(int argc, char **argv)
{
    static const char line[] = "def f(x, y):\n    return x + y  # <|endoftext|> \xc3\xa9\n";
    long runs = argc > 3 ? atol(argv[3]) : 200;
    size_t i;

    if (argc < 3)
        return 2;
    find_library();
    CHECK(library_start != 0);
    model_path = argv[1];
    folder = argv[2];
    for (i = 0; i < sizeof code; i++)
        code[i] = line[i % (sizeof line - 1)];
    /* Cut where no character is. */
    code[sizeof code - 1] = '\n';
    if ((unsigned char)code[sizeof code - 2] >= 0x80)
        code[sizeof code - 2] = ' ';
    if ((unsigned char)code[sizeof code - 3] >= 0xc0)
        code[sizeof code - 3] = ' ';
    series(runs);
    healing = 1;
    series(runs / 8);
    return done();
}
