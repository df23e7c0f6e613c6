/* What needs no model: errors, versions, the tokenizer, options as text, prompts. */
#include "check.h"

static void tokenizers(void)
{
    const char *text = "if x:\n    y() # \xf0\x9f\x99\x82";
    const uint32_t halves[2] = {8582, 25081};
    codegeex_error *error = NULL;
    codegeex_tokenizer *tokenizer = NULL;
    codegeex_decoder *decoder = NULL;
    uint32_t *ids = NULL;
    uint8_t *bytes = NULL;
    char *back = NULL;
    size_t count = 0, len = 0;

    CHECK_OK(codegeex_tokenizer_new(&tokenizer, &error));
    CHECK_OK(codegeex_tokenizer_encode(tokenizer, text, strlen(text), CODEGEEX_SPECIAL_AS_TEXT, &ids,
                                       &count, &error));
    CHECK(count > 6 && ids[0] == 361 && ids[1] == 2124 && ids[4] == 50268);
    CHECK_OK(codegeex_tokenizer_decode(tokenizer, ids, count, CODEGEEX_INVALID_UTF8_REFUSE, &back, &len,
                                       &error));
    CHECK(len == strlen(text) && strcmp(back, text) == 0);
    codegeex_free(ids);
    codegeex_free(back);

    /* Special tokens: text unless asked for. */
    CHECK_OK(codegeex_tokenizer_encode(tokenizer, "<|endoftext|>", 13, CODEGEEX_SPECIAL_PARSE, &ids,
                                       &count, &error));
    CHECK(count == 1 && ids[0] == codegeex_tokenizer_end_of_text(tokenizer));
    codegeex_free(ids);
    CHECK_OK(codegeex_tokenizer_encode(tokenizer, "<|endoftext|>", 13, CODEGEEX_SPECIAL_AS_TEXT, &ids,
                                       &count, &error));
    CHECK(count > 1);
    codegeex_free(ids);
    REFUSED(codegeex_tokenizer_encode(tokenizer, "", 0, 2, &ids, &count, &error));
    CHECK_OK(codegeex_tokenizer_encode(tokenizer, NULL, 0, 0, &ids, &count, &error));
    CHECK(count == 0 && ids != NULL);
    codegeex_free(ids);

    /* Half a character: replaced or refused. */
    CHECK_OK(codegeex_tokenizer_decode(tokenizer, halves, 1, CODEGEEX_INVALID_UTF8_REPLACE, &back, &len,
                                       &error));
    CHECK(len == 3 && strcmp(back, "\xef\xbf\xbd") == 0);
    codegeex_free(back);
    back = NULL;
    CHECK_STATUS(codegeex_tokenizer_decode(tokenizer, halves, 1, CODEGEEX_INVALID_UTF8_REFUSE, &back,
                                           &len, &error),
                 CODEGEEX_INVALID_UTF8);
    CHECK(back == NULL);
    CHECK_OK(codegeex_tokenizer_token_bytes(tokenizer, halves[0], &bytes, &len, &error));
    CHECK(len == 2 && bytes[0] == 0xf0);
    codegeex_free(bytes);

    /* As they come. The decoder goes on without the tokenizer's handle. */
    CHECK_OK(codegeex_decoder_new(tokenizer, CODEGEEX_INVALID_UTF8_REFUSE, &decoder, &error));
    codegeex_tokenizer_free(tokenizer);
    CHECK_OK(codegeex_decoder_push(decoder, halves[0], &back, &len, &error));
    CHECK(len == 0 && codegeex_decoder_is_pending(decoder) == 1);
    codegeex_free(back);
    CHECK_OK(codegeex_decoder_push(decoder, halves[1], &back, &len, &error));
    CHECK(strcmp(back, "\xf0\x9f\x99\x82") == 0);
    codegeex_free(back);
    CHECK_OK(codegeex_decoder_push(decoder, halves[0], &back, &len, &error));
    codegeex_free(back);
    CHECK_STATUS(codegeex_decoder_finish(decoder, &back, &len, &error), CODEGEEX_INVALID_UTF8);
    CHECK_OK(codegeex_decoder_finish(decoder, &back, &len, &error));
    CHECK(len == 0);
    codegeex_free(back);
    codegeex_decoder_free(decoder);
}

/* Every option that is listed can be read, and set to what was read. */
#define OPTIONS(kind, count_expected)                                                               \
    do {                                                                                            \
        codegeex_error *error = NULL;                                                               \
        codegeex_##kind *options = NULL;                                                            \
        const char *key, *help = NULL;                                                              \
        size_t at = 0;                                                                              \
        CHECK_OK(codegeex_##kind##_new(&options, &error));                                          \
        for (; (key = codegeex_##kind##_key(at, &help)) != NULL; at++) {                            \
            char *value = NULL, *again = NULL;                                                      \
            size_t len = 0;                                                                         \
            CHECK(help != NULL && strlen(help) > 10);                                               \
            CHECK_OK(codegeex_##kind##_get(options, key, strlen(key), &value, &len, &error));       \
            CHECK_OK(codegeex_##kind##_set(options, key, strlen(key), value, len, &error));         \
            CHECK_OK(codegeex_##kind##_get(options, key, strlen(key), &again, &len, &error));       \
            CHECK(strcmp(value, again) == 0);                                                       \
            codegeex_free(value);                                                                   \
            codegeex_free(again);                                                                   \
            CHECK(codegeex_##kind##_set(options, key, strlen(key), "\1", 1, NULL) != CODEGEEX_OK);   \
        }                                                                                           \
        CHECK(at == (count_expected));                                                              \
        REFUSED(codegeex_##kind##_set(options, "frob", 4, "1", 1, &error));                         \
        codegeex_##kind##_free(options);                                                            \
    } while (0)

static int is_value(const codegeex_generate_options *options, const char *key, const char *expected)
{
    char *value = NULL;
    size_t len = 0;
    int same = codegeex_generate_options_get(options, key, strlen(key), &value, &len, NULL) == CODEGEEX_OK
        && strcmp(value, expected) == 0;
    codegeex_free(value);
    return same;
}

static void options_as_text(void)
{
    const char *wrong = "0.5x";
    codegeex_error *error = NULL;
    codegeex_generate_options *options = NULL, *clone = NULL;

    OPTIONS(open_options, 7);
    OPTIONS(generate_options, 31);
    OPTIONS(beam_options, 14);
    OPTIONS(convert_options, 5);
    OPTIONS(service_options, 5);
    OPTIONS(edit_options, 9);

    /* Functions and keys are two ways to one option. */
    CHECK_OK(codegeex_generate_options_new(&options, &error));
    CHECK(is_value(options, "max_new_tokens", "128"));
    CHECK_OK(codegeex_generate_options_set_max_new_tokens(options, 7, &error));
    CHECK_OK(codegeex_generate_options_set_temperature(options, 0.25f, &error));
    CHECK_OK(SET(generate, options, "top_k", "3", &error));
    CHECK_OK(codegeex_generate_options_set_top_p(options, 0.5f, &error));
    CHECK_OK(SET(generate, options, "min_p", "0.125", &error));
    CHECK_OK(SET(generate, options, "typical_p", "0.75", &error));
    CHECK_OK(SET(generate, options, "repetition_penalty", "1.5", &error));
    CHECK_OK(SET(generate, options, "presence_penalty", "0.5", &error));
    CHECK_OK(SET(generate, options, "frequency_penalty", "2.0", &error));
    CHECK_OK(codegeex_generate_options_set_seed(options, UINT64_MAX, &error));
    CHECK_OK(SET(generate, options, "first_sample", "4", &error));
    CHECK_OK(SET(generate, options, "samples", "5", &error));
    CHECK_OK(SET(generate, options, "top_logprobs", "6", &error));
    CHECK_OK(SET(generate, options, "threads", "1", &error));
    CHECK_OK(SET(generate, options, "timeout_ms", "9", &error));
    CHECK_OK(SET(generate, options, "prefill_limit", "11", &error));
    CHECK_OK(SET(generate, options, "logit_bias", "{\"198\":-2.5,\"628\":1}", &error));
    CHECK_OK(SET(generate, options, "banned_ids", "[198,628]", &error));
    CHECK_OK(codegeex_generate_options_add_stop(options, "\n\n", 2, &error));
    CHECK_OK(SET(generate, options, "special_tokens", "parse", &error));
    CHECK_OK(SET(generate, options, "speculation", "lookup:6", &error));
    CHECK_OK(SET(generate, options, "stop_at", "Go:block,function", &error));
    REFUSED(SET(generate, options, "stop_at", "go:blocks", &error));
    CHECK_OK(SET(generate, options, "stop_before", "\"if x {\\n\"", &error));
    CHECK_OK(SET(generate, options, "heal", "true", &error));
    CHECK_OK(codegeex_generate_options_clone(options, &clone, &error));
    codegeex_generate_options_free(options);
    CHECK(is_value(clone, "max_new_tokens", "7") && is_value(clone, "temperature", "0.25"));
    CHECK(is_value(clone, "top_k", "3") && is_value(clone, "top_p", "0.5"));
    CHECK(is_value(clone, "min_p", "0.125") && is_value(clone, "typical_p", "0.75"));
    CHECK(is_value(clone, "repetition_penalty", "1.5") && is_value(clone, "presence_penalty", "0.5"));
    CHECK(is_value(clone, "frequency_penalty", "2") && is_value(clone, "samples", "5"));
    CHECK(is_value(clone, "seed", "18446744073709551615") && is_value(clone, "first_sample", "4"));
    CHECK(is_value(clone, "top_logprobs", "6") && is_value(clone, "threads", "1"));
    CHECK(is_value(clone, "timeout_ms", "9") && is_value(clone, "prefill_limit", "11"));
    CHECK(is_value(clone, "logit_bias", "{\"198\":-2.5,\"628\":1.0}"));
    CHECK_OK(codegeex_generate_options_set(clone, "logit_bias", 10, "{\"4\":null}", 10, &error));
    CHECK(is_value(clone, "logit_bias", "{\"4\":null}"));
    CHECK(is_value(clone, "banned_ids", "[198,628]") && is_value(clone, "stop", "[\"\\n\\n\"]"));
    CHECK(is_value(clone, "special_tokens", "parse") && is_value(clone, "speculation", "lookup:6"));
    CHECK(is_value(clone, "stop_at", "go:block,function") && is_value(clone, "heal", "true"));
    CHECK(is_value(clone, "stop_before", "\"if x {\\n\""));
    CHECK_OK(SET(generate, clone, "stop", "[]", &error));
    CHECK(is_value(clone, "stop", "[]"));

    /* A value that is refused changes nothing. */
    REFUSED(codegeex_generate_options_set(clone, "top_p", 5, wrong, strlen(wrong), &error));
    CHECK(is_value(clone, "top_p", "0.5"));
    codegeex_generate_options_free(clone);
}

static void prompts(void)
{
    const char *template = "<INPUT:0,1>\n// shorter:\n";
    codegeex_error *error = NULL;
    codegeex_task *task = NULL;
    codegeex_generate_options *options = NULL;
    char *text = NULL;
    const char *lent;
    size_t len = 0, at = 0, i;

    CHECK(codegeex_languages() == 52);
    for (i = 0; i < codegeex_languages(); i++) {
        const char *name = codegeex_language_name(i);
        CHECK(strstr(codegeex_language_tag(i), "language:") != NULL);
        CHECK_OK(codegeex_language_find(name, strlen(name), &at, &error));
        CHECK(at == i);
    }
    CHECK(codegeex_language_name(i) == NULL && codegeex_language_tag(i) == NULL);
    REFUSED(codegeex_language_find("brainfuck", 9, &at, &error));

    CHECK_OK(codegeex_prompt_generation("Go", 2, "func f() {", 10, &text, &len, &error));
    CHECK(strcmp(text, "// language: Go\nfunc f() {") == 0 && len == strlen(text));
    codegeex_free(text);
    CHECK_OK(codegeex_template_expand(template, strlen(template), "a\nb\nc", 5, &text, &len, &error));
    CHECK(strcmp(text, "a\n// shorter:\n") == 0);
    codegeex_free(text);
    REFUSED(codegeex_template_expand("<INPUT:x>", 9, "a", 1, &text, &len, &error));

    CHECK_OK(codegeex_task_translate("java", 4, "int one() { return 1; }\n", 24, "python", 6,
                                     "def one():\n", 11, &task, &error));
    lent = codegeex_task_prompt(task, &len);
    CHECK(strcmp(lent, "code translation\nJava:\nint one() { return 1; }\nPython:\ndef one():\n") == 0);
    CHECK(len == strlen(lent) && strcmp(codegeex_task_language(task, NULL), "python") == 0);
    CHECK(strcmp(codegeex_task_lead(task, NULL), "def one():\n") == 0);
    CHECK(codegeex_task_stops(task) > 1 && codegeex_task_stop(task, 99, NULL) == NULL);
    CHECK(codegeex_task_stop(task, 0, &len) != NULL && len > 0);
    CHECK_OK(codegeex_generate_options_new(&options, &error));
    CHECK_OK(codegeex_generate_options_add_task_stops(options, task, &error));
    CHECK(!is_value(options, "stop", "[]"));
    codegeex_generate_options_free(options);
    codegeex_task_free(task);
    CHECK_OK(codegeex_task_docstring("python", 6, "def f():\n    pass", 17, &task, &error));
    CHECK(strcmp(codegeex_task_tail(task, NULL), "\"\"\"") == 0);
    codegeex_task_free(task);
    CHECK_OK(codegeex_task_explain("go", 2, "x := f(1)", 9, &task, &error));
    codegeex_task_free(task);
    CHECK_OK(codegeex_task_complete("go", 2, "", 0, &task, &error));
    codegeex_task_free(task);
    CHECK_OK(codegeex_task_custom("<INPUT>!", 8, "go", 2, "x", 1, &task, &error));
    CHECK(strcmp(codegeex_task_prompt(task, NULL), "x!") == 0);
    codegeex_task_free(task);
    REFUSED(codegeex_task_explain("go", 2, " \n", 2, &task, &error));
}

static void machine(void)
{
    size_t i = 0;
    codegeex_error *error = NULL;
    codegeex_cancel_token *token = NULL;

    CHECK(codegeex_abi_version() == (CODEGEEX_ABI_MAJOR << 16 | CODEGEEX_ABI_MINOR));
    CHECK(strcmp(codegeex_version(), CODEGEEX_VERSION) == 0);
    while (codegeex_cpu_tier_name(i))
        i++;
    CHECK(i > 0 && i == codegeex_cpu_tiers());
    CHECK(strcmp(codegeex_cpu_tier_name(0), "scalar") == 0);
    CHECK(strcmp(codegeex_cpu_tier_name(i - 1), codegeex_cpu_tier()) == 0);
    CHECK(codegeex_has_feature("capi", 4) == 1 && codegeex_has_feature("cuda", 4) == 0);
    CHECK(strcmp(codegeex_status_name(CODEGEEX_OUT_OF_MEMORY), "out of memory") == 0);
    CHECK(strcmp(codegeex_status_name(-1), "unknown status") == 0);
    CHECK(strcmp(codegeex_finish_reason_name(CODEGEEX_FINISH_LENGTH), "length") == 0);
    CHECK(strcmp(codegeex_finish_reason_name(99), "other") == 0);

    CHECK_OK(codegeex_cancel_token_new(1, &token, &error));
    while (!codegeex_cancel_token_is_cancelled(token))
        ;
    codegeex_cancel_token_free(token);
    CHECK_OK(codegeex_cancel_token_new(0, &token, &error));
    CHECK(!codegeex_cancel_token_is_cancelled(token));
    CHECK_OK(codegeex_cancel_token_cancel(token, &error));
    CHECK(codegeex_cancel_token_is_cancelled(token));
    codegeex_cancel_token_free(token);
}

int main(void)
{
    machine();
    tokenizers();
    options_as_text();
    prompts();
    return done();
}
