/* Fill-in-the-middle: argv[1] is the folder of a model with StarCoder's control tokens and a vocabulary of
 * bytes (tests/data/infill), argv[2] a model without such tokens. */
#include "check.h"

enum { PREFIX = 1, MIDDLE = 2, SUFFIX = 3, PAD = 4, FILENAME = 5, REPONAME = 6, BYTES = 7 };

static codegeex_error *error = NULL;

struct ids {
    uint32_t at[128];
    size_t len;
};

static void token(struct ids *ids, uint32_t id)
{
    ids->at[ids->len++] = id;
}

static void text(struct ids *ids, const char *bytes)
{
    for (; *bytes; bytes++)
        token(ids, BYTES + (unsigned char)*bytes);
}

static codegeex_model *opened(const char *path)
{
    codegeex_model *model = NULL;
    CHECK_OK(codegeex_model_open(path, strlen(path), NULL, NULL, NULL, NULL, &model, &error));
    return model;
}

static codegeex_generate_options *options_of(const char *suffix)
{
    codegeex_generate_options *options = NULL;
    CHECK_OK(codegeex_generate_options_new(&options, &error));
    CHECK_OK(codegeex_generate_options_set_max_new_tokens(options, 12, &error));
    if (suffix)
        CHECK_OK(codegeex_generate_options_set_suffix(options, suffix, strlen(suffix), &error));
    return options;
}

/* Whether the options make the prompt "a = " the ids that a caller encodes. */
static int is_prompt(const codegeex_model *model, const codegeex_generate_options *options,
                     const struct ids *ids)
{
    codegeex_generate_options *plain = options_of(NULL);
    codegeex_completions *filled = NULL, *by_hand = NULL;
    const uint32_t *a, *b;
    size_t m = 0, n = 0;
    int same;

    CHECK_OK(codegeex_model_generate(model, "a = ", 4, options, NULL, NULL, NULL, &filled, &error));
    CHECK_OK(codegeex_model_generate_from(model, ids->at, ids->len, plain, NULL, NULL, NULL, &by_hand, &error));
    a = codegeex_completions_ids(filled, 0, &m);
    b = codegeex_completions_ids(by_hand, 0, &n);
    CHECK(n == 12);
    same = m == n && memcmp(a, b, n * sizeof *a) == 0;
    codegeex_completions_free(filled);
    codegeex_completions_free(by_hand);
    codegeex_generate_options_free(plain);
    return same;
}

static void prompts(const codegeex_model *model)
{
    codegeex_generate_options *options = options_of("\nb"), *clone = NULL;
    struct ids psm = {{0}, 0}, spm = {{0}, 0}, files = {{0}, 0};
    size_t len = 9;

    CHECK(strcmp(codegeex_model_infill_format(model, &len), "starcoder") == 0 && len == 9);
    token(&psm, PREFIX), text(&psm, "a = "), token(&psm, SUFFIX), text(&psm, "\nb"), token(&psm, MIDDLE);
    CHECK(is_prompt(model, options, &psm));
    CHECK_OK(codegeex_generate_options_clone(options, &clone, &error));
    CHECK(is_prompt(model, clone, &psm));

    token(&spm, PREFIX), token(&spm, SUFFIX), text(&spm, "\nb"), token(&spm, MIDDLE), text(&spm, "a = ");
    CHECK_OK(SET(generate, options, "infill_order", "spm", &error));
    CHECK(is_prompt(model, options, &spm) && !is_prompt(model, options, &psm));
    CHECK_OK(SET(generate, options, "infill_order", "auto", &error));

    token(&files, REPONAME), text(&files, "r"), token(&files, FILENAME), text(&files, "b.py\nB\n");
    token(&files, FILENAME), text(&files, "c.py\nC"), token(&files, FILENAME), text(&files, "a.py\n");
    token(&files, PREFIX), text(&files, "a = "), token(&files, SUFFIX), text(&files, "\nb"), token(&files, MIDDLE);
    CHECK_OK(SET(generate, options, "repository", "\"r\"", &error));
    CHECK_OK(SET(generate, options, "files", "[{\"path\": \"b.py\", \"text\": \"B\\n\"}]", &error));
    CHECK_OK(codegeex_generate_options_add_file(options, "c.py", 4, "C", 1, &error));
    /* Without the path of the current file. */
    CHECK(codegeex_model_generate(model, "a", 1, options, NULL, NULL, NULL, NULL, &error)
          == CODEGEEX_INVALID_ARGUMENT);
    CHECK(strstr(codegeex_error_message(error, NULL), "set the path") != NULL);
    codegeex_error_free(error);
    error = NULL;
    CHECK_OK(SET(generate, options, "path", "\"a.py\"", &error));
    CHECK(is_prompt(model, options, &files));
    codegeex_generate_options_free(options);
    codegeex_generate_options_free(clone);

    /* One of the options turns it on, and an absent suffix is empty. */
    options = options_of(NULL);
    CHECK_OK(SET(generate, options, "infill_order", "psm", &error));
    psm.len = 0;
    token(&psm, PREFIX), text(&psm, "a = "), token(&psm, SUFFIX), token(&psm, MIDDLE);
    CHECK(is_prompt(model, options, &psm));
    CHECK_OK(SET(generate, options, "infill_order", "auto", &error));
    psm.len = 0;
    text(&psm, "a = ");
    CHECK(is_prompt(model, options, &psm));
    codegeex_generate_options_free(options);
}

static void ends(const codegeex_model *model)
{
    codegeex_generate_options *options = options_of("\nb");
    codegeex_completions *all = NULL;
    codegeex_beam_options *beam = NULL;
    const uint32_t *ids;
    uint32_t first;
    char list[32];
    size_t len = 1;

    CHECK_OK(SET(generate, options, "logit_bias", "{\"4\": 1000}", &error));
    CHECK_OK(codegeex_model_generate(model, "a", 1, options, NULL, NULL, NULL, &all, &error));
    CHECK(codegeex_completions_finish_reason(all, 0) == CODEGEEX_FINISH_END_OF_TEXT);
    CHECK(codegeex_completions_text(all, 0, &len) != NULL && len == 0);
    ids = codegeex_completions_ids(all, 0, &len);
    CHECK(len == 1 && ids[0] == PAD);
    codegeex_completions_free(all);
    codegeex_generate_options_free(options);

    /* Ids of the caller's, of a generation and of beams. */
    options = options_of(NULL);
    CHECK_OK(codegeex_model_generate(model, "a", 1, options, NULL, NULL, NULL, &all, &error));
    first = codegeex_completions_ids(all, 0, &len)[0];
    CHECK(len == 12);
    codegeex_completions_free(all);
    snprintf(list, sizeof list, "[%u]", (unsigned)first);
    CHECK_OK(SET(generate, options, "stop_ids", list, &error));
    CHECK_OK(codegeex_model_generate(model, "a", 1, options, NULL, NULL, NULL, &all, &error));
    CHECK(codegeex_completions_finish_reason(all, 0) == CODEGEEX_FINISH_END_OF_TEXT);
    codegeex_completions_ids(all, 0, &len);
    CHECK(len == 1);
    codegeex_completions_free(all);
    CHECK_OK(SET(generate, options, "stop_ids", "[100000]", &error));
    CHECK_STATUS(codegeex_model_generate(model, "a", 1, options, NULL, NULL, NULL, NULL, &error),
                 CODEGEEX_TOKEN_OUT_OF_RANGE);
    codegeex_generate_options_free(options);
    CHECK_OK(codegeex_beam_options_new(&beam, &error));
    CHECK_OK(SET(beam, beam, "num_beams", "1", &error));
    CHECK_OK(SET(beam, beam, "stop_ids", list, &error));
    CHECK_OK(codegeex_model_beam_search(model, "a", 1, beam, NULL, &all, &error));
    CHECK(codegeex_completions_finish_reason(all, 0) == CODEGEEX_FINISH_END_OF_TEXT);
    codegeex_completions_free(all);
    codegeex_beam_options_free(beam);
}

/* A model without the tokens: samples in the order of the suffix, the same as without it but for that. */
static void ranked(const codegeex_model *toy)
{
    codegeex_generate_options *options = options_of(NULL);
    codegeex_completions *plain = NULL, *filled = NULL;
    size_t i, j, len = 1, moved = 0;

    CHECK(codegeex_model_infill_format(toy, &len) == NULL && len == 0);
    CHECK(codegeex_model_infill_format(NULL, NULL) == NULL);
    CHECK_OK(SET(generate, options, "samples", "6", &error));
    CHECK_OK(codegeex_generate_options_set_temperature(options, 1.0f, &error));
    CHECK_OK(codegeex_model_generate(toy, "def f(", 6, options, NULL, NULL, NULL, &plain, &error));
    CHECK_OK(codegeex_generate_options_set_suffix(options, "):\n    return 1\n", 16, &error));
    CHECK_OK(codegeex_model_generate(toy, "def f(", 6, options, NULL, NULL, NULL, &filled, &error));
    CHECK(codegeex_completions_count(plain) == 6 && codegeex_completions_count(filled) == 6);
    for (i = 0; i < 6; i++) {
        int found = 0;
        for (j = 0; j < 6; j++)
            found |= strcmp(codegeex_completions_text(filled, i, NULL), codegeex_completions_text(plain, j, NULL)) == 0;
        CHECK(found);
        moved += strcmp(codegeex_completions_text(filled, i, NULL), codegeex_completions_text(plain, i, NULL)) != 0;
    }
    CHECK(moved > 0);
    codegeex_completions_free(plain);
    codegeex_completions_free(filled);
    CHECK_OK(SET(generate, options, "path", "\"a.py\"", &error));
    CHECK_OK(SET(generate, options, "files", "[{\"path\": \"b.py\", \"text\": \"B\"}]", &error));
    REFUSED(codegeex_model_generate(toy, "def f(", 6, options, NULL, NULL, NULL, NULL, &error));
    codegeex_generate_options_free(options);
}

static void refused(const codegeex_model *model)
{
    codegeex_generate_options *options = options_of(NULL);
    codegeex_edit_options *edit = NULL;
    codegeex_edit_session *session = NULL;
    char *value = NULL;
    size_t len = 0;

    CHECK(SET(generate, options, "infill_order", "mps", &error) == CODEGEEX_INVALID_ARGUMENT);
    CHECK(strstr(codegeex_error_message(error, NULL), "auto, psm, spm") != NULL);
    codegeex_error_free(error);
    error = NULL;
    REFUSED(SET(generate, options, "suffix", "no string", &error));
    REFUSED(SET(generate, options, "files", "[{\"path\": \"a\"}]", &error));
    REFUSED(SET(generate, options, "infill_language", "klingon", &error));
    CHECK_OK(SET(generate, options, "suffix", "none", &error));
    CHECK_OK(codegeex_generate_options_set_suffix(options, "\"\n", 2, &error));
    CHECK_OK(codegeex_generate_options_get(options, "suffix", 6, &value, &len, &error));
    CHECK(strcmp(value, "\"\\\"\\n\"") == 0);
    codegeex_free(value);

    /* An edit session has the suffix from its text. */
    CHECK_OK(codegeex_edit_options_new(&edit, &error));
    REFUSED(codegeex_edit_options_set_generate(edit, options, &error));
    CHECK_OK(SET(generate, options, "suffix", "none", &error));
    CHECK_OK(codegeex_edit_options_set_generate(edit, options, &error));
    CHECK_OK(SET(edit, edit, "clip_step", "8", &error));
    CHECK_OK(SET(edit, edit, "infill_suffix_tokens", "16", &error));
    CHECK_OK(codegeex_edit_session_new(model, "python", 6, edit, &session, &error));
    CHECK_OK(codegeex_edit_session_update(session, "a = ", 4, "\nb", 2, NULL, &error));
    CHECK_OK(codegeex_edit_session_suggest(session, NULL, NULL, NULL, &len, &error));
    codegeex_edit_session_free(session);
    codegeex_edit_options_free(edit);
    codegeex_generate_options_free(options);
}

int main(int argc, char **argv)
{
    codegeex_model *model, *toy;

    if (argc != 3)
        return 2;
    model = opened(argv[1]);
    toy = opened(argv[2]);
    prompts(model);
    ends(model);
    ranked(toy);
    refused(model);
    codegeex_model_free(model);
    codegeex_model_free(toy);
    return done();
}
