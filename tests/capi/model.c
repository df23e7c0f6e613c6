/* What a model does: argv[1] is the default model, or that in INT8; argv[2] a folder to write to, in
 * which int8.safetensors stays. */
#include <math.h>

#include "check.h"

#define PROMPT "# language: Python\ndef read_lines(path):"

/* What a callback saw. */
struct seen {
    char text[4096];
    size_t len;
    int tokens, ends, stop_after, reason, with_top;
    codegeex_session *session;
    codegeex_cancel_token *token;
};

static int hear(void *userdata, const codegeex_event *event)
{
    struct seen *seen = userdata;
    codegeex_error *error = NULL;

    CHECK(event->struct_size == sizeof *event);
    if (event->sample == 0 && seen->len + event->text_len < sizeof seen->text) {
        memcpy(seen->text + seen->len, event->text, event->text_len);
        seen->len += event->text_len;
        seen->text[seen->len] = 0;
    }
    if (event->kind == CODEGEEX_EVENT_TOKEN) {
        seen->tokens++;
        CHECK(event->logprob <= 0 && event->finish_reason == CODEGEEX_FINISH_NONE);
        if (event->top_logprobs_len) {
            seen->with_top++;
            CHECK(event->top_logprobs[0].logprob >= event->top_logprobs[1].logprob);
        }
    } else if (event->kind == CODEGEEX_EVENT_END) {
        seen->ends++;
        seen->reason = event->finish_reason;
    }
    /* The session of the call that is running is busy, and says so instead of waiting. */
    if (seen->session && seen->tokens == 1)
        CHECK_STATUS(codegeex_session_truncate(seen->session, 0, &error), CODEGEEX_BUSY);
    if (seen->token && seen->tokens == seen->stop_after)
        CHECK_OK(codegeex_cancel_token_cancel(seen->token, &error));
    return !seen->token && seen->stop_after && seen->tokens == seen->stop_after;
}

static void log_line(void *userdata, int32_t level, const char *message, size_t len)
{
    int *lines = userdata;
    CHECK(level >= CODEGEEX_LOG_ERROR && level <= CODEGEEX_LOG_DEBUG && strlen(message) == len);
    lines[level]++;
}

static void log_gone(void *userdata)
{
    int *lines = userdata;
    lines[0]++;
}

static int progress_seen(void *userdata, uint64_t done, uint64_t total)
{
    uint64_t *most = userdata;
    CHECK(done <= total && done >= most[0]);
    most[0] = done;
    most[1] = total;
    return 0;
}

static void opened(const char *path)
{
    int lines[5] = {0, 0, 0, 0, 0};
    uint64_t progress[2] = {0, 0}, fingerprint = 0, again = 0;
    codegeex_error *error = NULL;
    codegeex_open_options *options = NULL;
    codegeex_model *model = NULL, *mapped = NULL;
    codegeex_generate_options *few = NULL;
    codegeex_model_info info;
    size_t len = 0;

    CHECK_OK(codegeex_open_options_new(&options, &error));
    CHECK_OK(SET(open, options, "memory", "copy", &error));
    CHECK_OK(codegeex_open_options_set_threads(options, 1, &error));
    CHECK_OK(SET(open, options, "isa", "scalar", &error));
    CHECK_OK(SET(open, options, "kv", "int8", &error));
    CHECK_OK(SET(open, options, "activations", "int8", &error));
    REFUSED(codegeex_open_options_set_log(options, 77, log_line, lines, NULL, &error));
    CHECK_OK(codegeex_open_options_set_log(options, CODEGEEX_LOG_DEBUG, log_line, lines, log_gone, &error));
    CHECK_OK(codegeex_model_open(path, strlen(path), options, NULL, progress_seen, progress, &model,
                                 &error));
    CHECK(progress[1] > 15000000 && progress[0] == progress[1]);
    codegeex_open_options_free(options);
    CHECK(lines[CODEGEEX_LOG_INFO] == 1 && lines[0] == 0);
    CHECK(strcmp(codegeex_model_kernels(model), "scalar") == 0);
    CHECK(strstr(codegeex_model_describe(model, &len), "1 threads, int8") != NULL && len > 10);
    CHECK(strstr(codegeex_model_describe(model, NULL), "int8 activations") != NULL);
    CHECK(strstr(codegeex_model_config_json(model, NULL), "\"hidden_size\":256") != NULL);
    memset(&info, 0xff, sizeof info);
    info.struct_size = sizeof info;
    CHECK_OK(codegeex_model_get_info(model, &info, &error));
    CHECK(info.num_layers == 6 && info.hidden_size == 256 && info.num_attention_heads == 4);
    CHECK(info.num_kv_heads == 4 && info.vocab_size == 52224 && info.max_positions == 2048);
    CHECK(info.parameters > 19000000 && info.struct_size == sizeof info);
    CHECK_OK(codegeex_generate_options_new(&few, &error));
    CHECK_OK(codegeex_generate_options_set_max_new_tokens(few, 2, &error));
    CHECK_OK(codegeex_model_generate(model, "a", 1, few, NULL, NULL, NULL, NULL, &error));
    codegeex_generate_options_free(few);
    CHECK(lines[CODEGEEX_LOG_DEBUG] == 1);
    REFUSED(codegeex_model_generate(model, "", 0, NULL, NULL, NULL, NULL, NULL, &error));
    CHECK(lines[CODEGEEX_LOG_ERROR] == 1);

    /* The same weights have the same fingerprint, however they are opened. */
    CHECK_OK(codegeex_model_open(path, strlen(path), NULL, NULL, NULL, NULL, &mapped, &error));
    CHECK_OK(codegeex_model_fingerprint(model, &fingerprint, &error));
    CHECK_OK(codegeex_model_fingerprint(mapped, &again, &error));
    CHECK(fingerprint == again && fingerprint != 0);
    CHECK(strcmp(codegeex_model_kernels(mapped), codegeex_cpu_tier()) == 0);
    codegeex_model_free(mapped);
    codegeex_model_free(model);
    CHECK(lines[0] == 1);
}

static void generated(const codegeex_model *model)
{
    codegeex_error *error = NULL;
    codegeex_generate_options *options = NULL;
    codegeex_completions *all = NULL, *again = NULL;
    codegeex_cancel_token *token = NULL;
    const codegeex_token_logprob *top;
    struct seen seen;
    size_t count = 0, i;
    uint32_t *prompt = NULL;
    size_t prompt_len = 0;
    codegeex_tokenizer *tokenizer = NULL;
    double sum = 0;

    /* Streamed text is the completion's. */
    memset(&seen, 0, sizeof seen);
    CHECK_OK(codegeex_generate_options_new(&options, &error));
    CHECK_OK(codegeex_generate_options_set_max_new_tokens(options, 24, &error));
    CHECK_OK(codegeex_generate_options_set_temperature(options, 0.8f, &error));
    CHECK_OK(codegeex_generate_options_set_seed(options, 7, &error));
    CHECK_OK(SET(generate, options, "samples", "3", &error));
    CHECK_OK(SET(generate, options, "top_logprobs", "4", &error));
    CHECK_OK(codegeex_model_generate(model, PROMPT, strlen(PROMPT), options, NULL, hear, &seen, &all,
                                     &error));
    CHECK(codegeex_completions_count(all) == 3 && seen.ends == 3 && seen.with_top == seen.tokens);
    CHECK(strcmp(seen.text, codegeex_completions_text(all, 0, NULL)) == 0 && seen.len > 20);
    CHECK(codegeex_completions_ids(all, 2, &count) != NULL && count == 24);
    CHECK(codegeex_completions_logprobs(all, 2, &count) != NULL && count == 24);
    for (i = 0; i < count; i++)
        sum += codegeex_completions_logprobs(all, 2, NULL)[i];
    CHECK(fabs(codegeex_completions_score(all, 2) - sum) < 1e-9);
    top = codegeex_completions_top_logprobs(all, 1, 5, &count);
    CHECK(top != NULL && count == 4 && top[0].logprob >= top[3].logprob);
    CHECK(codegeex_completions_finish_reason(all, 0) == CODEGEEX_FINISH_LENGTH);
    CHECK(codegeex_completions_stop_index(all, 0) == SIZE_MAX);
    CHECK(codegeex_completions_text(all, 3, NULL) == NULL);
    CHECK(codegeex_completions_finish_reason(all, 3) == CODEGEEX_FINISH_NONE);

    /* Ids of the prompt give the same, and so does a part of the samples, and draft tokens. */
    CHECK_OK(codegeex_model_tokenizer(model, &tokenizer, &error));
    CHECK_OK(codegeex_tokenizer_encode(tokenizer, PROMPT, strlen(PROMPT), 0, &prompt, &prompt_len, &error));
    codegeex_tokenizer_free(tokenizer);
    CHECK_OK(SET(generate, options, "samples", "1", &error));
    CHECK_OK(SET(generate, options, "first_sample", "2", &error));
    CHECK_OK(codegeex_generate_options_set_speculation_model(options, model, 3, &error));
    CHECK_OK(codegeex_model_generate_from(model, prompt, prompt_len, options, NULL, NULL, NULL, &again,
                                          &error));
    CHECK(strcmp(codegeex_completions_text(all, 2, NULL), codegeex_completions_text(again, 0, NULL)) == 0);
    CHECK(codegeex_completions_accepted(again, 0) <= codegeex_completions_drafted(again, 0));
    codegeex_free(prompt);
    codegeex_completions_free(again);

    /* A stop string. */
    CHECK_OK(SET(generate, options, "speculation", "lookup:4", &error));
    CHECK_OK(SET(generate, options, "first_sample", "0", &error));
    CHECK_OK(codegeex_generate_options_add_stop(options, "never so", 8, &error));
    CHECK_OK(codegeex_generate_options_add_stop(options, codegeex_completions_text(all, 0, NULL) + 8, 3,
                                                &error));
    CHECK_OK(codegeex_model_generate(model, PROMPT, strlen(PROMPT), options, NULL, NULL, NULL, &again,
                                     &error));
    CHECK(codegeex_completions_finish_reason(again, 0) == CODEGEEX_FINISH_STOP);
    CHECK(codegeex_completions_stop_index(again, 0) == 1);
    CHECK(strlen(codegeex_completions_text(again, 0, NULL)) <= 8);
    codegeex_completions_free(again);
    codegeex_completions_free(all);

    /* Cancelled from the callback, by its result and by a token; after a time. */
    CHECK_OK(SET(generate, options, "stop", "[]", &error));
    CHECK_OK(codegeex_generate_options_set_temperature(options, 0.0f, &error));
    CHECK_OK(codegeex_generate_options_set_max_new_tokens(options, 512, &error));
    memset(&seen, 0, sizeof seen);
    seen.stop_after = 5;
    CHECK_OK(codegeex_model_generate(model, PROMPT, strlen(PROMPT), options, NULL, hear, &seen, &all,
                                     &error));
    CHECK(codegeex_completions_ids(all, 0, &count) != NULL && count == 5 && seen.tokens == 5);
    CHECK(codegeex_completions_finish_reason(all, 0) == CODEGEEX_FINISH_CANCELLED);
    codegeex_completions_free(all);
    CHECK_OK(codegeex_cancel_token_new(0, &token, &error));
    memset(&seen, 0, sizeof seen);
    seen.stop_after = 5;
    seen.token = token;
    CHECK_OK(codegeex_model_generate(model, PROMPT, strlen(PROMPT), options, token, hear, &seen, &all,
                                     &error));
    CHECK(codegeex_completions_ids(all, 0, &count) != NULL && count == 5);
    CHECK(seen.reason == CODEGEEX_FINISH_CANCELLED);
    codegeex_completions_free(all);
    codegeex_cancel_token_free(token);
    CHECK_OK(codegeex_generate_options_set_max_new_tokens(options, 1900, &error));
    CHECK_OK(SET(generate, options, "timeout_ms", "1", &error));
    CHECK_OK(codegeex_model_generate(model, PROMPT, strlen(PROMPT), options, NULL, NULL, NULL, &all,
                                     &error));
    CHECK(codegeex_completions_finish_reason(all, 0) == CODEGEEX_FINISH_DEADLINE);
    codegeex_completions_free(all);
    codegeex_generate_options_free(options);
}

static void searched_and_scored(const codegeex_model *model)
{
    codegeex_error *error = NULL;
    codegeex_beam_options *options = NULL;
    codegeex_completions *beams = NULL;
    codegeex_score *score = NULL;
    codegeex_cancel_token *token = NULL;
    const codegeex_token_logprob *top;
    const float *logprobs;
    const uint32_t ids[6] = {4299, 751, 7, 64, 11, 275};
    uint64_t progress[2] = {0, 0};
    double value = 0, log_probability = 0, sum = 0;
    size_t count = 0, tokens = 0, i;

    CHECK_OK(codegeex_beam_options_new(&options, &error));
    CHECK_OK(SET(beam, options, "num_beams", "3", &error));
    CHECK_OK(SET(beam, options, "max_new_tokens", "8", &error));
    CHECK_OK(codegeex_model_beam_search(model, PROMPT, strlen(PROMPT), options, NULL, &beams, &error));
    CHECK(codegeex_completions_count(beams) == 3);
    CHECK(codegeex_completions_score(beams, 0) >= codegeex_completions_score(beams, 2));
    CHECK(codegeex_completions_ids(beams, 0, &count) != NULL && count > 0 && count <= 8);
    codegeex_completions_free(beams);
    CHECK_OK(SET(beam, options, "rules", "hugging_face", &error));
    CHECK_OK(SET(beam, options, "length_penalty", "0.5", &error));
    CHECK_OK(SET(beam, options, "early_stopping", "never", &error));
    CHECK_OK(SET(beam, options, "banned_ids", "[4299,751,7,64,11,275]", &error));
    CHECK_OK(SET(beam, options, "stop", "[\"\\n\\n\\n\\n\"]", &error));
    CHECK_OK(SET(beam, options, "special_tokens", "parse", &error));
    CHECK_OK(codegeex_model_beam_search_from(model, ids, 6, options, NULL, &beams, &error));
    CHECK(codegeex_completions_count(beams) > 0);
    codegeex_completions_free(beams);
    codegeex_beam_options_free(options);

    CHECK_OK(codegeex_model_score(model, ids, 6, 5, NULL, &score, &error));
    logprobs = codegeex_score_logprobs(score, &count);
    CHECK(count == 6 && isnan(logprobs[0]));
    for (i = 1; i < 6; i++)
        sum += logprobs[i];
    top = codegeex_score_top(score, &count);
    CHECK(count == 5 && top[0].logprob >= top[4].logprob);
    codegeex_score_free(score);
    CHECK_OK(codegeex_model_perplexity(model, ids, 6, NULL, progress_seen, progress, &value,
                                       &log_probability, &tokens, &error));
    CHECK(tokens == 5 && progress[0] == 6 && fabs(log_probability - sum) < 1e-4);
    CHECK(fabs(value - exp(-log_probability / 5)) < 1e-6 * value);
    CHECK_OK(codegeex_cancel_token_new(0, &token, &error));
    CHECK_OK(codegeex_cancel_token_cancel(token, &error));
    CHECK_STATUS(codegeex_model_score(model, ids, 6, 5, token, &score, &error), CODEGEEX_CANCELLED);
    codegeex_cancel_token_free(token);
}

static void kept(codegeex_model **model, const char *folder)
{
    char path[4096];
    codegeex_error *error = NULL;
    codegeex_session *session = NULL, *restored = NULL;
    codegeex_generate_options *options = NULL;
    codegeex_completions *all = NULL, *again = NULL;
    struct seen seen;
    uint32_t *ids = NULL;
    uint8_t *bytes = NULL;
    size_t count = 0, prompt, len = 0;

    CHECK_OK(codegeex_generate_options_new(&options, &error));
    CHECK_OK(codegeex_generate_options_set_max_new_tokens(options, 8, &error));
    CHECK_OK(codegeex_session_new(*model, &session, &error));
    memset(&seen, 0, sizeof seen);
    seen.session = session;
    CHECK_OK(codegeex_session_generate(session, PROMPT, strlen(PROMPT), options, NULL, hear, &seen, &all,
                                       &error));
    CHECK(codegeex_session_reused(session) == 0 && codegeex_session_bytes(session) > 0);
    CHECK_OK(codegeex_session_ids(session, &ids, &count, &error));
    prompt = count - 7;
    CHECK_OK(codegeex_session_generate_from(session, ids, prompt, options, NULL, NULL, NULL, &again,
                                            &error));
    CHECK(codegeex_session_reused(session) == prompt - 1);
    CHECK(strcmp(codegeex_completions_text(all, 0, NULL), codegeex_completions_text(again, 0, NULL)) == 0);
    codegeex_completions_free(again);

    /* In memory and in a file; the session's model may go first. */
    CHECK_OK(codegeex_session_save(session, &bytes, &len, &error));
    CHECK_OK(codegeex_session_restore(*model, bytes, len, &restored, &error));
    codegeex_free(bytes);
    codegeex_session_free(session);
    snprintf(path, sizeof path, "%s/a.session", folder);
    CHECK_OK(codegeex_session_save_file(restored, path, strlen(path), &error));
    codegeex_session_free(restored);
    CHECK_OK(codegeex_session_restore_file(*model, path, strlen(path), &restored, &error));
    codegeex_model_free(*model);
    *model = NULL;
    CHECK_OK(codegeex_session_generate(restored, PROMPT, strlen(PROMPT), options, NULL, NULL, NULL, &again,
                                       &error));
    CHECK(codegeex_session_reused(restored) == prompt - 1);
    CHECK(strcmp(codegeex_completions_text(all, 0, NULL), codegeex_completions_text(again, 0, NULL)) == 0);
    CHECK_OK(codegeex_session_truncate(restored, 3, &error));
    codegeex_free(ids);
    CHECK_OK(codegeex_session_ids(restored, &ids, &count, &error));
    CHECK(count == 3);
    codegeex_free(ids);
    codegeex_session_free(restored);
    codegeex_completions_free(again);
    codegeex_completions_free(all);
    codegeex_generate_options_free(options);
    remove(path);
}

/* Greedy decoding by hand is greedy generation. */
static void by_hand(const codegeex_model *model)
{
    codegeex_error *error = NULL;
    codegeex_state *state = NULL, *fork = NULL, *restored = NULL;
    codegeex_state *both[2];
    codegeex_logits *logits = NULL, *other = NULL;
    codegeex_completions *all = NULL;
    codegeex_generate_options *options = NULL;
    codegeex_token_logprob *top = NULL;
    const uint32_t prompt[6] = {4299, 751, 7, 64, 11, 275};
    uint32_t next[2] = {275, 275};
    uint8_t *bytes = NULL;
    const uint32_t *expected;
    size_t count = 0, len = 0, i;
    float logprob = 0;

    CHECK_OK(codegeex_generate_options_new(&options, &error));
    CHECK_OK(codegeex_generate_options_set_max_new_tokens(options, 6, &error));
    CHECK_OK(codegeex_model_generate_from(model, prompt, 6, options, NULL, NULL, NULL, &all, &error));
    expected = codegeex_completions_ids(all, 0, &count);
    CHECK(count == 6);

    CHECK_OK(codegeex_state_new(model, &state, &error));
    CHECK_OK(codegeex_state_prefill(state, prompt, 5, NULL, &error));
    CHECK(codegeex_state_len(state) == 5 && codegeex_state_bytes(state) > 0);
    CHECK_OK(codegeex_state_fork(state, &fork, &error));
    for (i = 0; i < 6; i++) {
        CHECK_OK(codegeex_state_decode(state, next, 1, CODEGEEX_LOGITS_LAST, NULL, &logits, &error));
        CHECK(codegeex_logits_rows(logits) == 1 && codegeex_logits_vocab_size(logits) == 52224);
        CHECK_OK(codegeex_logits_top(logits, 0, 2, &top, &count, &error));
        CHECK(count == 2 && top[0].id == expected[i]);
        CHECK_OK(codegeex_logits_log_probability(logits, 0, top[0].id, &logprob, &error));
        CHECK(fabsf(logprob - codegeex_completions_logprobs(all, 0, NULL)[i]) < 1e-6f);
        next[0] = top[0].id;
        codegeex_free(top);
        codegeex_logits_free(logits);
    }

    /* Any split and any batch: the same bits. */
    CHECK_OK(codegeex_state_truncate(state, 5, &error));
    both[0] = state;
    both[1] = fork;
    next[0] = 275;
    CHECK_OK(codegeex_states_decode(both, next, 2, NULL, &logits, &error));
    CHECK(codegeex_logits_rows(logits) == 2);
    CHECK_OK(codegeex_state_truncate(fork, 0, &error));
    CHECK_OK(codegeex_state_decode(fork, prompt, 6, CODEGEEX_LOGITS_ALL, NULL, &other, &error));
    CHECK(codegeex_logits_rows(other) == 6 && codegeex_logits_row(other, 6, NULL) == NULL);
    for (i = 0; i < 2; i++)
        CHECK(memcmp(codegeex_logits_row(logits, i, &count), codegeex_logits_row(other, 5, NULL),
                     52224 * sizeof(float)) == 0);
    CHECK(count == 52224);
    CHECK_STATUS(codegeex_logits_log_probability(logits, 0, 52224, &logprob, &error),
                 CODEGEEX_TOKEN_OUT_OF_RANGE);
    REFUSED(codegeex_logits_log_probability(logits, 2, 0, &logprob, &error));
    codegeex_logits_free(other);
    CHECK_OK(codegeex_state_save(fork, &bytes, &len, &error));
    CHECK_OK(codegeex_state_restore(model, bytes, len, &restored, &error));
    CHECK(codegeex_state_len(restored) == 6);
    codegeex_free(bytes);
    CHECK_OK(codegeex_state_decode(restored, prompt, 1, CODEGEEX_LOGITS_NONE, NULL, &other, &error));
    CHECK(codegeex_logits_rows(other) == 0);
    codegeex_logits_free(other);
    codegeex_logits_free(logits);
    codegeex_state_free(restored);
    codegeex_state_free(fork);
    codegeex_state_free(state);
    codegeex_completions_free(all);
    codegeex_generate_options_free(options);
}

static void served(const codegeex_model *model)
{
    codegeex_error *error = NULL;
    codegeex_service *service = NULL;
    codegeex_service_options *bounds = NULL;
    codegeex_service_progress progress;
    codegeex_ticket *tickets[4] = {NULL, NULL, NULL, NULL};
    codegeex_completions *alone = NULL, *together = NULL;
    codegeex_generate_options *options = NULL;
    codegeex_event event;
    char text[4096];
    size_t len = 0, i;
    int tokens = 0;

    CHECK_OK(codegeex_generate_options_new(&options, &error));
    CHECK_OK(codegeex_generate_options_set_max_new_tokens(options, 12, &error));
    CHECK_OK(codegeex_service_options_new(&bounds, &error));
    CHECK_OK(SET(service, bounds, "prefill_tokens", "64", &error));
    CHECK_OK(SET(service, bounds, "prefixes", "2", &error));
    CHECK_OK(SET(service, bounds, "waiting", "4", &error));
    CHECK_OK(codegeex_service_new(model, bounds, &service, &error));
    codegeex_service_options_free(bounds);
    CHECK_OK(codegeex_model_generate(model, PROMPT, strlen(PROMPT), options, NULL, NULL, NULL, &alone,
                                     &error));
    for (i = 0; i < 3; i++)
        CHECK_OK(codegeex_service_submit(service, PROMPT, strlen(PROMPT), options, CODEGEEX_WHEN_FULL_WAIT,
                                         NULL, &tickets[i], &error));
    event.struct_size = sizeof event;
    do {
        CHECK_OK(codegeex_ticket_next(tickets[0], 1, &event, &error));
        tokens += event.kind == CODEGEEX_EVENT_TOKEN;
        if (event.kind != CODEGEEX_EVENT_DONE && len + event.text_len < sizeof text) {
            memcpy(text + len, event.text, event.text_len);
            len += event.text_len;
        }
    } while (event.kind != CODEGEEX_EVENT_DONE);
    text[len] = 0;
    CHECK(tokens == 12 && strcmp(text, codegeex_completions_text(alone, 0, NULL)) == 0);
    CHECK_OK(codegeex_ticket_next(tickets[0], 0, &event, &error));
    CHECK(event.kind == CODEGEEX_EVENT_DONE);
    for (i = 0; i < 2; i++) {
        CHECK_OK(codegeex_ticket_wait(tickets[i], &together, &error));
        CHECK(strcmp(codegeex_completions_text(together, 0, NULL), codegeex_completions_text(alone, 0, NULL))
              == 0);
        codegeex_completions_free(together);
    }
    CHECK_OK(codegeex_ticket_cancel(tickets[2], &error));
    CHECK_OK(codegeex_generate_options_set_max_new_tokens(options, 1900, &error));
    CHECK_OK(codegeex_service_submit_from(service, (const uint32_t[]){4299}, 1, options,
                                          CODEGEEX_WHEN_FULL_REFUSE, NULL, &tickets[3], &error));
    memset(&progress, 0, sizeof progress);
    progress.struct_size = sizeof progress;
    CHECK_OK(codegeex_service_get_progress(service, &progress, &error));
    /* The service goes while a request runs: the ticket still hears how it ended. */
    codegeex_service_free(service);
    do
        CHECK_OK(codegeex_ticket_next(tickets[3], 1, &event, &error));
    while (event.kind != CODEGEEX_EVENT_DONE);
    for (i = 0; i < 4; i++)
        codegeex_ticket_free(tickets[i]);
    codegeex_completions_free(alone);
    codegeex_generate_options_free(options);
}

static void converted(const char *from, const char *folder)
{
    char path[4096];
    codegeex_error *error = NULL;
    codegeex_convert_options *options = NULL;
    codegeex_open_options *open = NULL;
    codegeex_model *model = NULL;
    codegeex_session *session = NULL;
    uint64_t progress[2] = {0, 0};

    snprintf(path, sizeof path, "%s/int8.safetensors", folder);
    CHECK_OK(codegeex_convert_options_new(&options, &error));
    CHECK_OK(SET(convert, options, "dtype", "f16", &error));
    CHECK_OK(SET(convert, options, "quantize", "int8", &error));
    CHECK_OK(SET(convert, options, "quantize_head", "true", &error));
    CHECK_OK(SET(convert, options, "threads", "1", &error));
    CHECK_OK(SET(convert, options, "overwrite", "true", &error));
    CHECK_OK(codegeex_open_options_new(&open, &error));
    CHECK_OK(codegeex_convert(from, strlen(from), open, path, strlen(path), options, NULL, progress_seen,
                              progress, &error));
    CHECK(progress[0] == progress[1] && progress[1] > 15000000 && progress[1] < 25000000);
    CHECK_OK(codegeex_model_open(path, strlen(path), open, NULL, NULL, NULL, &model, &error));
    CHECK_OK(codegeex_session_new(model, &session, &error));
    codegeex_session_free(session);
    codegeex_model_free(model);
    codegeex_open_options_free(open);
    codegeex_convert_options_free(options);
}

/* Typing what was suggested keeps it; accepting it moves it before the cursor. */
static void edited(const codegeex_model *model)
{
    const char *before = "import os\nimpor", *typed = "import os\nimport";
    codegeex_error *error = NULL;
    codegeex_edit_session *session = NULL;
    codegeex_edit_options *options = NULL;
    codegeex_edit_update update;
    codegeex_generate_options *generate = NULL;
    codegeex_completions *all = NULL;
    struct seen seen;
    char *first = NULL, *rest = NULL, *word = NULL;
    size_t count = 0, len = 0;

    CHECK_OK(codegeex_edit_options_new(&options, &error));
    CHECK_OK(codegeex_generate_options_new(&generate, &error));
    CHECK_OK(codegeex_generate_options_set_max_new_tokens(generate, 6, &error));
    CHECK_OK(SET(generate, generate, "heal", "true", &error));
    CHECK_OK(codegeex_edit_options_set_generate(options, generate, &error));
    CHECK_OK(codegeex_edit_session_new(model, "python", 6, options, &session, &error));
    codegeex_edit_options_free(options);
    memset(&update, 0xff, sizeof update);
    update.struct_size = sizeof update;
    CHECK_OK(codegeex_edit_session_update(session, before, strlen(before), "\n", 1, &update, &error));
    CHECK(update.is_alive == 0 && update.clipped_bytes == 0);
    memset(&seen, 0, sizeof seen);
    CHECK_OK(codegeex_edit_session_suggest(session, NULL, hear, &seen, &count, &error));
    CHECK(count == 1 && seen.tokens > 0 && codegeex_edit_session_suggestions(session) == 1);
    CHECK_OK(codegeex_edit_session_suggestion(session, 0, &first, &len, &error));
    CHECK(len > 1 && first[0] == 't');
    REFUSED(codegeex_edit_session_suggestion(session, 1, &rest, &len, &error));
    CHECK_OK(codegeex_edit_session_update(session, typed, strlen(typed), "\n", 1, &update, &error));
    CHECK(update.is_alive == 1 && update.moved == 0);
    CHECK_OK(codegeex_edit_session_suggestion(session, 0, &rest, &len, &error));
    CHECK(strcmp(first + 1, rest) == 0);
    CHECK_OK(codegeex_edit_session_accept(session, CODEGEEX_ACCEPT_WORD, &word, &len, &error));
    CHECK(len > 0 && strncmp(rest, word, len) == 0);
    REFUSED(codegeex_edit_session_accept(session, 3, &word, &len, &error));
    CHECK_OK(codegeex_edit_session_dismiss(session, &error));
    CHECK(codegeex_edit_session_suggestions(session) == 0);
    codegeex_free(first);
    codegeex_free(rest);
    codegeex_free(word);
    codegeex_edit_session_free(session);

    /* The same healing, and a rule of code, without a session of its own. */
    CHECK_OK(codegeex_generate_options_set_max_new_tokens(generate, 64, &error));
    CHECK_OK(SET(generate, generate, "stop_at", "python:line", &error));
    CHECK_OK(codegeex_model_generate(model, before, strlen(before), generate, NULL, NULL, NULL, &all, &error));
    CHECK(codegeex_completions_finish_reason(all, 0) == CODEGEEX_FINISH_END_OF_LINE);
    CHECK(codegeex_completions_healed(all, 0) == strlen("impor"));
    CHECK(strchr(codegeex_completions_text(all, 0, NULL), '\n') == NULL);
    codegeex_completions_free(all);
    codegeex_generate_options_free(generate);
}

/* A sampler that counts its calls and destructions, and leaves the tokens of one id. */
struct only {
    uint32_t id;
    size_t calls, destroyed, prompt_len;
    int fails, breaks;
};

static int32_t only(void *userdata, const codegeex_sampler_input *input)
{
    struct only *wanted = userdata;
    size_t i;

    wanted->calls++;
    wanted->prompt_len = input->prompt_len;
    if (input->struct_size != sizeof *input || input->candidates_len == 0)
        return 2;
    if (input->generated_len > 0 && input->generated[input->generated_len - 1] != wanted->id)
        return 3;
    for (i = 0; i < input->candidates_len; i++)
        if (input->candidates[i].id != wanted->id)
            input->candidates[i].logit = -INFINITY;
    if (wanted->breaks)
        input->candidates[0].id = UINT32_MAX;
    return wanted->fails;
}

static void destroyed(void *userdata)
{
    ((struct only *)userdata)->destroyed++;
}

static void sampled(const codegeex_model *model)
{
    const uint32_t prompt[3] = {4299, 277, 7};
    struct only wanted = {0, 0, 0, 0, 0, 0}, other = {0, 0, 0, 0, 0, 0};
    codegeex_error *error = NULL;
    codegeex_generate_options *options = NULL, *clone = NULL;
    codegeex_service *service = NULL;
    codegeex_ticket *ticket = NULL;
    codegeex_completions *all = NULL;
    const uint32_t *ids;
    size_t count = 0, i;

    wanted.id = 751;
    CHECK_OK(codegeex_generate_options_new(&options, &error));
    CHECK_OK(codegeex_generate_options_set_max_new_tokens(options, 5, &error));
    CHECK_OK(codegeex_generate_options_set_temperature(options, 0.8f, &error));
    CHECK_OK(codegeex_generate_options_add_sampler(options, only, &wanted, destroyed, &error));
    CHECK_OK(codegeex_generate_options_clone(options, &clone, &error));
    codegeex_generate_options_free(options);
    CHECK(wanted.destroyed == 0);
    CHECK_OK(codegeex_model_generate_from(model, prompt, 3, clone, NULL, NULL, NULL, &all, &error));
    ids = codegeex_completions_ids(all, 0, &count);
    CHECK(count == 5 && wanted.calls == 5 && wanted.prompt_len == 3);
    for (i = 0; i < count; i++)
        CHECK(ids[i] == 751);
    codegeex_completions_free(all);

    /* By a service, on its thread. */
    CHECK_OK(codegeex_service_new(model, NULL, &service, &error));
    CHECK_OK(codegeex_service_submit_from(service, prompt, 3, clone, CODEGEEX_WHEN_FULL_WAIT, NULL, &ticket,
                                          &error));
    CHECK_OK(codegeex_ticket_wait(ticket, &all, &error));
    CHECK(codegeex_completions_ids(all, 0, &count) != NULL && count == 5 && wanted.calls == 10);
    codegeex_completions_free(all);
    codegeex_ticket_free(ticket);
    codegeex_service_free(service);

    /* One that fails ends the generation, and so does one that breaks the candidates. */
    all = NULL;
    wanted.fails = 7;
    CHECK_STATUS(codegeex_model_generate_from(model, prompt, 3, clone, NULL, NULL, NULL, &all, &error),
                 CODEGEEX_CANCELLED);
    wanted.fails = 0;
    wanted.breaks = 1;
    REFUSED(codegeex_model_generate_from(model, prompt, 3, clone, NULL, NULL, NULL, &all, &error));
    CHECK(all == NULL && wanted.destroyed == 0);
    codegeex_generate_options_free(clone);
    CHECK(wanted.destroyed == 1);
    REFUSED(codegeex_generate_options_add_sampler(clone, only, &other, destroyed, &error));
    CHECK(other.destroyed == 1);
    REFUSED(codegeex_generate_options_add_sampler(NULL, only, &other, destroyed, &error));
    CHECK(other.destroyed == 2);
}

int main(int argc, char **argv)
{
    codegeex_error *error = NULL;
    codegeex_model *model = NULL;

    if (argc != 3)
        return 2;
    opened(argv[1]);
    CHECK_OK(codegeex_model_open(argv[1], strlen(argv[1]), NULL, NULL, NULL, NULL, &model, &error));
    generated(model);
    sampled(model);
    searched_and_scored(model);
    by_hand(model);
    edited(model);
    served(model);
    converted(argv[1], argv[2]);
    kept(&model, argv[2]);
    return done();
}
