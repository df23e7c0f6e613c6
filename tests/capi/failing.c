/* Allocations that fail: failing MODEL FOLDER [RUNS]. A program with an allocator of its own, which the
 * library uses too, runs each part of what the library does once for every allocation of that part: once
 * with that one refused, and once with it and all that follow refused. Each call gives its right answer
 * or CODEGEEX_OUT_OF_MEMORY, nothing ends the process or waits for ever, and afterwards as much memory is
 * in use as after a run in which nothing failed. RUNS bounds the runs of a part, spread evenly over it.
 *
 * A run is a process of its own, forked when the part has run a few times and the model is open; a process
 * a core starts them. Requests of the system's own (a thread's stack, a file) do not go through here:
 * limit.c has those. */
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
/* The code as a JSON string. */
static char code_json[2 * sizeof code + 3];
/* Open for all parts, with one thread: others do not live on in a fork. */
static codegeex_model *shared;
static int wrong;

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

static int32_t look(void *userdata, const codegeex_sampler_input *input)
{
    (void)userdata;
    (void)input;
    return 0;
}

static codegeex_generate_options *options_of(const char *samples)
{
    codegeex_error *error = NULL;
    codegeex_generate_options *options = NULL;

    if (OK(codegeex_generate_options_new(&options, &error))) {
        OK(SET(generate, options, "max_new_tokens", "3", &error));
        OK(SET(generate, options, "temperature", "0.8", &error));
        OK(SET(generate, options, "top_k", "40", &error));
        OK(SET(generate, options, "top_p", "0.9", &error));
        OK(SET(generate, options, "samples", samples, &error));
        OK(SET(generate, options, "top_logprobs", "3", &error));
        OK(SET(generate, options, "banned_ids", "[11, 12, 13, 14, 15, 16, 17, 18]", &error));
        OK(SET(generate, options, "logit_bias", "{\"198\": -2.5, \"199\": null}", &error));
        OK(SET(generate, options, "stop_at", "go:function,block", &error));
        OK(codegeex_generate_options_add_stop(options, "@@", 2, &error));
        OK(codegeex_generate_options_add_sampler(options, look, NULL, NULL, &error));
    }
    return options;
}

/* Every option is read and set to what it is, among them a long text with escapes. */
static void options(void)
{
    codegeex_error *error = NULL;
    codegeex_generate_options *options = options_of("2"), *copy = NULL;
    const char *key, *help;
    char *value = NULL;
    size_t len = 0, i;

    if (options) {
        OK(SET(generate, options, "stop_before", code_json, &error));
        OK(codegeex_generate_options_set_suffix(options, code, 400, &error));
        OK(codegeex_generate_options_add_file(options, "a.py", 4, code, 400, &error));
        OK(SET(generate, options, "path", "\"b.py\"", &error));
        OK(SET(generate, options, "stop", "[\"\\n\\n\", \"\\ud83e\\udd80\"]", &error));
    }
    if (options && OK(codegeex_generate_options_clone(options, &copy, &error))) {
        for (i = 0; (key = codegeex_generate_options_key(i, &help)) != NULL; i++)
            if (OK(codegeex_generate_options_get(copy, key, strlen(key), &value, &len, &error))) {
                OK(codegeex_generate_options_set(copy, key, strlen(key), value, len, &error));
                codegeex_free(value);
            }
    }
    codegeex_generate_options_free(copy);
    codegeex_generate_options_free(options);
}

/* A pool of threads: open, and a token. */
static void open_and_generate(void)
{
    codegeex_error *error = NULL;
    codegeex_open_options *options = NULL;
    codegeex_generate_options *generate = NULL;
    codegeex_completions *all = NULL;
    codegeex_model *model = NULL;

    if (OK(codegeex_open_options_new(&options, &error)))
        OK(codegeex_open_options_set_threads(options, 2, &error));
    if (OK(codegeex_model_open(model_path, strlen(model_path), options, NULL, NULL, NULL, &model, &error))) {
        if (OK(codegeex_generate_options_new(&generate, &error)))
            OK(SET(generate, generate, "max_new_tokens", "1", &error));
        if (OK(codegeex_model_generate(model, code, 100, generate, NULL, NULL, NULL, &all, &error)))
            codegeex_completions_free(all);
        codegeex_generate_options_free(generate);
    }
    codegeex_model_free(model);
    codegeex_open_options_free(options);
}

static void generate(void)
{
    codegeex_error *error = NULL;
    codegeex_generate_options *options = options_of("2");
    codegeex_completions *all = NULL;
    size_t heard = 0;

    if (OK(codegeex_model_generate(shared, code, 400, options, NULL, hear, &heard, &all, &error)))
        codegeex_completions_free(all);
    codegeex_generate_options_free(options);
}

/* The first request that heals sorts the vocabulary of its model, which takes a hundred thousand
 * allocations: those of later ones are tried. */
static void heal(void)
{
    codegeex_error *error = NULL;
    codegeex_generate_options *options = options_of("1");
    codegeex_completions *all = NULL;

    OK(SET(generate, options, "heal", "true", &error));
    if (OK(codegeex_model_generate(shared, code, 11, options, NULL, NULL, NULL, &all, &error)))
        codegeex_completions_free(all);
    codegeex_generate_options_free(options);
}

static void beams(void)
{
    codegeex_error *error = NULL;
    codegeex_beam_options *beam = NULL;
    codegeex_completions *all = NULL;

    if (OK(codegeex_beam_options_new(&beam, &error))) {
        OK(SET(beam, beam, "max_new_tokens", "3", &error));
        OK(SET(beam, beam, "num_beams", "2", &error));
        if (OK(codegeex_model_beam_search(shared, code, 100, beam, NULL, &all, &error)))
            codegeex_completions_free(all);
    }
    codegeex_beam_options_free(beam);
}

static void score(void)
{
    static const uint32_t ids[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10};
    codegeex_error *error = NULL;
    codegeex_score *score = NULL;
    codegeex_state *state = NULL;
    codegeex_logits *logits = NULL;

    if (OK(codegeex_model_score(shared, ids, 4, 3, NULL, &score, &error)))
        codegeex_score_free(score);
    if (OK(codegeex_state_new(shared, &state, &error))
        && OK(codegeex_state_decode(state, ids, 3, CODEGEEX_LOGITS_ALL, NULL, &logits, &error)))
        codegeex_logits_free(logits);
    codegeex_state_free(state);
}

static void sessions(void)
{
    codegeex_error *error = NULL;
    codegeex_generate_options *options = options_of("1");
    codegeex_completions *all = NULL;
    codegeex_session *session = NULL, *again = NULL;
    codegeex_edit_session *edit = NULL;
    uint8_t *bytes = NULL;
    size_t len = 0, heard = 0;

    if (OK(codegeex_session_new(shared, &session, &error))) {
        if (OK(codegeex_session_generate(session, code, 100, options, NULL, hear, &heard, &all, &error)))
            codegeex_completions_free(all);
        if (OK(codegeex_session_save(session, &bytes, &len, &error))) {
            if (OK(codegeex_session_restore(shared, bytes, len, &again, &error)))
                codegeex_session_free(again);
            codegeex_free(bytes);
        }
    }
    codegeex_session_free(session);
    if (OK(codegeex_edit_session_new(shared, "python", 6, NULL, &edit, &error))) {
        OK(codegeex_edit_session_update(edit, code, 300, "\n", 1, NULL, &error));
        OK(codegeex_edit_session_dismiss(edit, &error));
    }
    codegeex_edit_session_free(edit);
    codegeex_generate_options_free(options);
}

static void services(void)
{
    codegeex_error *error = NULL;
    codegeex_generate_options *options = options_of("2");
    codegeex_completions *all = NULL;
    codegeex_service *service = NULL;
    codegeex_ticket *ticket = NULL;

    if (OK(codegeex_service_new(shared, NULL, &service, &error))
        && OK(codegeex_service_submit(service, code, 100, options, CODEGEEX_WHEN_FULL_WAIT, NULL, &ticket, &error))
        && OK(codegeex_ticket_wait(ticket, &all, &error)))
        codegeex_completions_free(all);
    codegeex_ticket_free(ticket);
    codegeex_service_free(service);
    codegeex_generate_options_free(options);
}

static void convert(void)
{
    codegeex_error *error = NULL;
    char out[4096];

    snprintf(out, sizeof out, "%s/failing.%ld.safetensors", folder, (long)getpid());
    OK(codegeex_convert(model_path, strlen(model_path), NULL, out, strlen(out), NULL, NULL, NULL, NULL,
                        &error));
    unlink(out);
}

static void codes(void)
{
    codegeex_error *error = NULL;
    codegeex_code_stop *stop = NULL;
    static const float logprobs[2] = {-0.5f, -0.25f};
    const codegeex_text texts[2] = {{code, 400}, {code, 4000}};
    const codegeex_likelihood likely[2] = {{logprobs, 1, logprobs, 2}, {logprobs, 2, logprobs, 1}};
    codegeex_code_token *tokens = NULL;
    codegeex_ranked *ranked = NULL;
    char *text = NULL;
    size_t *indices = NULL, len = 0;
    int32_t reason = 0;

    if (OK(codegeex_code_stop_new("python", 6, "function,line", 13, code, 400, &stop, &error))) {
        if (OK(codegeex_code_stop_push(stop, "    return 1\n\nd", 15, &text, &len, &reason, &error)))
            codegeex_free(text);
        if (OK(codegeex_code_stop_finish(stop, &text, &len, &error)))
            codegeex_free(text);
    }
    codegeex_code_stop_free(stop);
    OK(codegeex_code_cut("go", 2, "function", 8, "func f() {\n", 11, code, sizeof code, &len, NULL, &error));
    if (OK(codegeex_code_reindent("go", 2, CODEGEEX_INDENT_TABS, code, 400, code, 4000, &text, &len, &error)))
        codegeex_free(text);
    if (OK(codegeex_code_scan("python", 6, code, 4000, &tokens, &len, &error)))
        codegeex_free(tokens);
    if (OK(codegeex_code_distinct(texts, 2, &indices, &len, &error)))
        codegeex_free(indices);
    if (OK(codegeex_code_rank(likely, 2, &ranked, &len, &error)))
        codegeex_free(ranked);
}

static const struct {
    const char *name;
    void (*run)(void);
} parts[] = {
    {"texts", texts}, {"code", codes}, {"options", options}, {"open", open_and_generate}, {"generate", generate},
    {"heal", heal}, {"beams", beams}, {"score", score}, {"sessions", sessions}, {"service", services},
    {"convert", convert},
};
enum { PARTS = sizeof parts / sizeof *parts };

/* A part whose n-th allocation is refused, for every n from `first` to `last`. */
static void refuse(int part, long first, long last)
{
    atomic_store(&count, 0);
    atomic_store(&last_refused, last);
    atomic_store(&first_refused, first);
    parts[part].run();
    atomic_store(&last_refused, -1);
}

/* A run in a process of its own: its exit status, or a signal. */
static int run(int part, long first, long last, long expected_held)
{
    int status = 0;
    pid_t child = fork();
    if (child < 0)
        return -1;
    if (child == 0) {
        /* What waits for ever ends. */
        alarm(60);
        failures = wrong = 0;
        refuse(part, first, last);
        /* Tables that grow once are not those of every run. */
        if (atomic_load(&held) > expected_held) {
            long once, twice;
            parts[part].run();
            once = atomic_load(&held);
            refuse(part, first, last);
            parts[part].run();
            twice = atomic_load(&held);
            if (twice > once || once > expected_held + 4096) {
                fprintf(stderr, "%ld and then %ld bytes are in use, expected %ld\n", once, twice, expected_held);
                wrong++;
            }
        }
        _exit(wrong || failures ? 1 : 0);
    }
    if (waitpid(child, &status, 0) != child)
        return -1;
    return status;
}

/* The runs of a part, the first of this process and every one that is `processes` later. */
static int series(int part, long runs, long process, long processes)
{
    long total, allocations, settled, step, n;
    int which, bad = 0;

    parts[part].run();
    parts[part].run();
    settled = atomic_load(&held);
    total = atomic_load(&count);
    parts[part].run();
    allocations = atomic_load(&count) - total;
    CHECK(wrong == 0 && failures == 0);
    CHECK(allocations > 10);
    step = runs > 0 && 2 * allocations > runs ? 2 * allocations / runs : 1;
    if (process == 0)
        fprintf(stderr, "%s: %ld allocations, every %ld. is refused\n", parts[part].name, allocations, step);
    for (n = process * step; n < allocations; n += processes * step)
        for (which = 0; which < 2; which++) {
            int status = run(part, n, which ? LONG_MAX : n, settled);
            if (status != 0) {
                fprintf(stderr, "%s, allocation %ld%s: %s %d\n", parts[part].name, n,
                        which ? " and all that follow" : "", WIFSIGNALED(status) ? "signal" : "exit",
                        WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
                bad++;
            }
        }
    return bad;
}

/* One process's share of all parts. */
static int share(long runs, long process, long processes)
{
    codegeex_error *error = NULL;
    codegeex_open_options *options = NULL;
    codegeex_cancel_token *tokens[256];
    int part, bad = 0;
    size_t i;

    /* The table of handles is as large as it ever was. */
    for (i = 0; i < 256; i++)
        CHECK_OK(codegeex_cancel_token_new(0, &tokens[i], &error));
    for (i = 0; i < 256; i++)
        codegeex_cancel_token_free(tokens[i]);
    CHECK_OK(codegeex_open_options_new(&options, &error));
    CHECK_OK(codegeex_open_options_set_threads(options, 1, &error));
    CHECK_OK(codegeex_model_open(model_path, strlen(model_path), options, NULL, NULL, NULL, &shared, &error));
    codegeex_open_options_free(options);
    for (part = 0; part < PARTS && failures == 0; part++)
        bad += series(part, runs, process, processes);
    codegeex_model_free(shared);
    return bad || failures;
}

int main(int argc, char **argv)
{
    static const char line[] = "def f(x, y):\n    return x + y  # <|endoftext|> \xc3\xa9\n";
    long runs = argc > 3 ? atol(argv[3]) : 0, processes = sysconf(_SC_NPROCESSORS_ONLN), process;
    size_t i, n = 0;

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
    code_json[n++] = '"';
    for (i = 0; i < sizeof code; i++) {
        if (code[i] == '\n')
            code_json[n++] = '\\';
        code_json[n++] = code[i] == '\n' ? 'n' : code[i];
    }
    code_json[n] = '"';
    for (process = 0; process < processes; process++) {
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0)
            _exit(share(runs, process, processes));
    }
    for (process = 0; process < processes; process++) {
        int status = -1;
        CHECK(wait(&status) > 0);
        CHECK(status == 0);
    }
    return done();
}
