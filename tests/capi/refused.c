/* What comes from outside and is wrong is an error code: argv[1] is the default model, argv[2] a
 * folder to write to. */
#include <errno.h>

#include "check.h"

static char path[4096];

static const char *in_folder(const char *folder, const char *name)
{
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

/* The first bytes of a file under another name. */
static void cut(const char *from, const char *to, size_t bytes)
{
    FILE *in = fopen(from, "rb"), *out = fopen(to, "wb");
    char *data = malloc(bytes);
    CHECK(in && out && data);
    if (in && out && data) {
        CHECK(fread(data, 1, bytes, in) == bytes);
        CHECK(fwrite(data, 1, bytes, out) == bytes);
    }
    if (in)
        fclose(in);
    if (out)
        fclose(out);
    free(data);
}

static codegeex_status open_at(const char *at, const codegeex_open_options *options,
                               codegeex_model **model, codegeex_error **error)
{
    return codegeex_model_open(at, strlen(at), options, NULL, NULL, NULL, model, error);
}

static int stop_at_once(void *userdata, uint64_t done, uint64_t total)
{
    (void)userdata;
    return done > total / 2;
}

static void files(const char *good, const char *folder)
{
    const size_t lengths[5] = {0, 4, 1000, 100000, 39000000};
    codegeex_error *error = NULL;
    codegeex_model *model = NULL;
    codegeex_open_options *options = NULL;
    codegeex_memory_estimate estimate;
    FILE *vocabulary;
    size_t i;

    CHECK_STATUS(open_at("/no/such/model.pt", NULL, &model, &error), CODEGEEX_NOT_FOUND);
    CHECK_STATUS(open_at("", NULL, &model, &error), CODEGEEX_NOT_FOUND);
    CHECK_STATUS(codegeex_model_open("\xff\xfe", 2, NULL, NULL, NULL, NULL, &model, &error),
                 CODEGEEX_INVALID_UTF8);
    for (i = 0; i < 5; i++) {
        cut(good, in_folder(folder, "truncated.safetensors"), lengths[i]);
        codegeex_status status = open_at(path, NULL, &model, &error);
        CHECK(status == CODEGEEX_MALFORMED_FILE || status == CODEGEEX_UNSUPPORTED_FILE);
        CHECK(codegeex_error_code(error) == status);
        codegeex_error_free(error);
        error = NULL;
    }
    CHECK(model == NULL);
    remove(path);

    /* The vocabulary beside a model is the model's; this one lacks its other files. */
    vocabulary = fopen(in_folder(folder, "vocab.json"), "w");
    CHECK(vocabulary != NULL && fputs("{}", vocabulary) >= 0 && fclose(vocabulary) == 0);
    CHECK(open_at(in_folder(folder, "none.safetensors"), NULL, &model, &error) == CODEGEEX_NOT_FOUND);
    CHECK(strstr(codegeex_error_message(error, NULL), "added_tokens.json") != NULL);
    codegeex_error_free(error);
    error = NULL;
    remove(in_folder(folder, "vocab.json"));

    /* Cancelled by the progress callback, half way. */
    CHECK_OK(codegeex_open_options_new(&options, &error));
    REFUSED(codegeex_open_options_set_memory(options, 7, &error));
    CHECK_OK(codegeex_open_options_set_memory(options, CODEGEEX_MEMORY_COPY, &error));
    CHECK_STATUS(codegeex_model_open(good, strlen(good), options, NULL, stop_at_once, NULL, &model, &error),
                 CODEGEEX_CANCELLED);
    REFUSED(SET(open, options, "memory", "7", &error));
    REFUSED(SET(open, options, "kv", "-1", &error));
    REFUSED(SET(open, options, "activations", "2", &error));
    REFUSED(SET(open, options, "isa", "z80", &error));
    REFUSED(codegeex_open_options_set(options, "isa", 3, "z80", 3, &error));
    CHECK_STATUS(codegeex_open_options_set(options, "config", 6, "{}", 2, &error),
                 CODEGEEX_INVALID_CONFIG);

    /* A struct of another size: too small to be one, absurd, an older one, a newer one. */
    memset(&estimate, 0, sizeof estimate);
    REFUSED(codegeex_estimate_memory(good, strlen(good), NULL, 1, 64, &estimate, &error));
    estimate.struct_size = 1 << 30;
    REFUSED(codegeex_estimate_memory(good, strlen(good), NULL, 1, 64, &estimate, &error));
    estimate.struct_size = offsetof(codegeex_memory_estimate, weights_owned);
    CHECK_OK(codegeex_estimate_memory(good, strlen(good), NULL, 1, 64, &estimate, &error));
    CHECK(estimate.weights_mapped > 30000000 && estimate.total == 0 && estimate.cache == 0);
    estimate.struct_size = sizeof estimate;
    CHECK_OK(codegeex_estimate_memory(good, strlen(good), options, 1, 64, &estimate, &error));
    CHECK(estimate.weights_mapped == 0 && estimate.weights_owned > 30000000);
    CHECK(estimate.struct_size == sizeof estimate && estimate.cache > 0);
    CHECK(estimate.total
          == estimate.weights_mapped + estimate.weights_owned + estimate.cache + estimate.scratch);
    codegeex_open_options_free(options);
}

static void calls(const char *good, const char *folder)
{
    const uint32_t beyond[2] = {1, 4000000000u};
    codegeex_error *error = NULL;
    codegeex_model *model = NULL;
    codegeex_open_options *open = NULL;
    codegeex_generate_options *options = NULL;
    codegeex_beam_options *beams = NULL;
    codegeex_completions *completions = NULL;
    codegeex_score *score = NULL;
    codegeex_session *session = NULL;
    codegeex_state *state = NULL;
    codegeex_logits *logits = NULL;
    codegeex_service *service = NULL;
    codegeex_service_options *bounds = NULL;
    codegeex_ticket *ticket = NULL;
    codegeex_tokenizer *tokenizer = NULL;
    codegeex_state *twice[2];
    const uint32_t two[2] = {1, 2};
    uint32_t *many;
    uint8_t *bytes = NULL;
    char *text = NULL;
    size_t len = 0;
    double value = 0;
    int i;

    CHECK_OK(open_at(good, NULL, &model, &error));
    CHECK_OK(codegeex_generate_options_new(&options, &error));

    /* Text. */
    CHECK_STATUS(codegeex_model_generate(model, "a\x80", 2, NULL, NULL, NULL, NULL, NULL, &error),
                 CODEGEEX_INVALID_UTF8);
    REFUSED(codegeex_model_generate(model, "", 0, NULL, NULL, NULL, NULL, NULL, &error));
    REFUSED(codegeex_model_generate(model, "a", SIZE_MAX - 1, NULL, NULL, NULL, NULL, NULL, &error));

    /* Ids. */
    CHECK_STATUS(codegeex_model_generate_from(model, beyond, 2, NULL, NULL, NULL, NULL, &completions,
                                              &error),
                 CODEGEEX_TOKEN_OUT_OF_RANGE);
    CHECK_STATUS(codegeex_model_score(model, beyond, 2, 0, NULL, &score, &error),
                 CODEGEEX_TOKEN_OUT_OF_RANGE);
    CHECK_STATUS(codegeex_model_beam_search_from(model, beyond, 2, NULL, NULL, &completions, &error),
                 CODEGEEX_TOKEN_OUT_OF_RANGE);
    REFUSED(codegeex_model_perplexity(model, beyond, 1, NULL, NULL, NULL, &value, NULL, NULL, &error));
    CHECK_OK(codegeex_model_tokenizer(model, &tokenizer, &error));
    CHECK_STATUS(codegeex_tokenizer_decode(tokenizer, beyond, 2, 0, &text, &len, &error),
                 CODEGEEX_TOKEN_OUT_OF_RANGE);
    CHECK_STATUS(codegeex_tokenizer_token_bytes(tokenizer, beyond[1], &bytes, &len, &error),
                 CODEGEEX_TOKEN_OUT_OF_RANGE);
    codegeex_tokenizer_free(tokenizer);
    CHECK_OK(codegeex_state_new(model, &state, &error));
    CHECK_STATUS(codegeex_state_prefill(state, beyond, 2, NULL, &error), CODEGEEX_TOKEN_OUT_OF_RANGE);
    CHECK_STATUS(codegeex_state_decode(state, beyond, 2, CODEGEEX_LOGITS_LAST, NULL, &logits, &error),
                 CODEGEEX_TOKEN_OUT_OF_RANGE);
    REFUSED(codegeex_state_decode(state, beyond, 1, 3, NULL, &logits, &error));
    REFUSED(codegeex_state_decode(state, NULL, 0, 1, NULL, &logits, &error));
    twice[0] = twice[1] = state;
    CHECK_STATUS(codegeex_states_decode(twice, two, 2, NULL, &logits, &error), CODEGEEX_BUSY);
    CHECK(codegeex_state_len(state) == 0 && logits == NULL);
    many = calloc(3000, sizeof *many);
    CHECK_STATUS(codegeex_state_decode(state, many, 3000, CODEGEEX_LOGITS_NONE, NULL, &logits, &error),
                 CODEGEEX_CONTEXT_OVERFLOW);
    CHECK_STATUS(codegeex_model_generate_from(model, many, 3000, NULL, NULL, NULL, NULL, NULL, &error),
                 CODEGEEX_CONTEXT_OVERFLOW);
    free(many);

    /* Numbers. */
    CHECK_OK(codegeex_generate_options_set_temperature(options, -1.0f, &error));
    REFUSED(codegeex_model_generate(model, "a", 1, options, NULL, NULL, NULL, NULL, &error));
    CHECK_OK(codegeex_generate_options_set_temperature(options, 0.0f, &error));
    CHECK_OK(SET(generate, options, "samples", "18446744073709551615", &error));
    REFUSED(codegeex_model_generate(model, "a", 1, options, NULL, NULL, NULL, NULL, &error));
    CHECK_OK(SET(generate, options, "samples", "1", &error));
    CHECK_OK(SET(generate, options, "speculation", "lookup:18446744073709551615", &error));
    REFUSED(codegeex_model_generate(model, "a", 1, options, NULL, NULL, NULL, NULL, &error));
    CHECK_OK(SET(generate, options, "speculation", "off", &error));
    CHECK_OK(codegeex_beam_options_new(&beams, &error));
    REFUSED(SET(beam, beams, "rules", "2", &error));
    REFUSED(SET(beam, beams, "early_stopping", "3", &error));
    CHECK_OK(SET(beam, beams, "num_beams", "0", &error));
    REFUSED(codegeex_model_beam_search(model, "a", 1, beams, NULL, &completions, &error));
    codegeex_beam_options_free(beams);
    CHECK(completions == NULL && score == NULL);

    /* What was saved and damaged. */
    CHECK_OK(codegeex_state_prefill(state, two, 2, NULL, &error));
    CHECK_OK(codegeex_state_save(state, &bytes, &len, &error));
    codegeex_state_free(state);
    state = NULL;
    for (i = 0; i < 4; i++)
        CHECK_STATUS(codegeex_state_restore(model, bytes, len * i / 4, &state, &error),
                     CODEGEEX_MALFORMED_FILE);
    bytes[len / 2] ^= 1;
    CHECK_STATUS(codegeex_state_restore(model, bytes, len, &state, &error), CODEGEEX_MALFORMED_FILE);
    CHECK_STATUS(codegeex_session_restore(model, bytes, len, &session, &error), CODEGEEX_MALFORMED_FILE);
    CHECK_STATUS(codegeex_session_restore_file(model, "/no/such", 8, &session, &error),
                 CODEGEEX_NOT_FOUND);
    codegeex_free(bytes);

    /* Conversion on top of a file. */
    in_folder(folder, "there.safetensors");
    cut(good, path, 10);
    REFUSED(codegeex_convert(good, strlen(good), NULL, path, strlen(path), NULL, NULL, NULL, NULL, &error));
    remove(path);
    CHECK_STATUS(codegeex_convert(good, strlen(good), NULL, path, strlen(path), NULL, NULL, stop_at_once,
                                  NULL, &error),
                 CODEGEEX_CANCELLED);
    CHECK(fopen(path, "rb") == NULL && errno == ENOENT);

    /* Memory: a limit below one page of the KV cache. */
    CHECK_OK(codegeex_open_options_new(&open, &error));
    CHECK_OK(SET(open, open, "memory_limit", "100", &error));
    codegeex_model_free(model);
    CHECK_OK(open_at(good, open, &model, &error));
    CHECK_STATUS(codegeex_model_generate(model, "a", 1, NULL, NULL, NULL, NULL, &completions, &error),
                 CODEGEEX_OUT_OF_MEMORY);
    CHECK_OK(codegeex_service_options_new(&bounds, &error));
    CHECK_OK(SET(service, bounds, "sequences", "0", &error));
    REFUSED(codegeex_service_new(model, bounds, &service, &error));
    CHECK_OK(SET(service, bounds, "sequences", "1", &error));
    CHECK_OK(SET(service, bounds, "cache_bytes", "100", &error));
    CHECK_OK(codegeex_service_new(model, bounds, &service, &error));
    REFUSED(codegeex_service_submit(service, "a", 1, NULL, 5, NULL, &ticket, &error));
    CHECK_OK(codegeex_service_submit(service, "a", 1, NULL, 0, NULL, &ticket, &error));
    CHECK_STATUS(codegeex_ticket_wait(ticket, &completions, &error), CODEGEEX_OUT_OF_MEMORY);
    REFUSED(codegeex_ticket_wait(ticket, &completions, &error));
    CHECK(completions == NULL);
    codegeex_ticket_free(ticket);
    codegeex_service_free(service);
    codegeex_service_options_free(bounds);
    codegeex_open_options_free(open);
    codegeex_generate_options_free(options);
    codegeex_model_free(model);
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    files(argv[1], argv[2]);
    calls(argv[1], argv[2]);
    return done();
}
