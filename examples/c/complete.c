/*
 * Completes code with the model whose path is given, streamed, and cancels a second completion:
 *
 *   tools/install-capi.sh /tmp/codegeex
 *   cc complete.c $(PKG_CONFIG_PATH=/tmp/codegeex/lib/pkgconfig pkg-config --cflags --libs codegeex)
 *   LD_LIBRARY_PATH=/tmp/codegeex/lib ./a.out models/codegeex_tiny.safetensors
 *
 * The same program exists in Rust (examples/hello.rs), which says what it prints to the byte, and in
 * the languages of bindings/.
 */
#include <stdio.h>
#include <string.h>

#include "codegeex.h"

/* Reports an error, frees it, and gives its status back. */
static codegeex_status failed(codegeex_status status, codegeex_error *error)
{
    const char *message = codegeex_error_message(error, NULL);
    fprintf(stderr, "error %d: %s\n", (int)status, message ? message : codegeex_status_name(status));
    codegeex_error_free(error);
    return status;
}

static int print_text(void *userdata, const codegeex_event *event)
{
    (void)userdata;
    fwrite(event->text, 1, event->text_len, stdout);
    return fflush(stdout);
}

/* Asks to stop once as many tokens were seen as the counter says. */
static int count_down(void *userdata, const codegeex_event *event)
{
    int *left = userdata;
    return event->kind == CODEGEEX_EVENT_TOKEN && --*left == 0;
}

int main(int argc, char **argv)
{
    const char *language = "python", *code = "def read_lines(path):";
    codegeex_error *error = NULL;
    codegeex_model *model = NULL;
    codegeex_generate_options *options = NULL;
    codegeex_completions *done = NULL;
    char *prompt = NULL;
    size_t prompt_len = 0, tokens = 0;
    int left = 5;
    codegeex_status status;

    if (argc != 2) {
        fprintf(stderr, "usage: %s MODEL\n", argv[0]);
        return 2;
    }
    if ((status = codegeex_model_open(argv[1], strlen(argv[1]), NULL, NULL, NULL, NULL, &model, &error))
        || (status = codegeex_prompt_generation(language, strlen(language), code, strlen(code), &prompt,
                                                &prompt_len, &error))
        || (status = codegeex_generate_options_new(&options, &error))
        || (status = codegeex_generate_options_set_max_new_tokens(options, 48, &error))
        || (status = codegeex_generate_options_set_temperature(options, 0.8f, &error))
        || (status = codegeex_generate_options_set_top_p(options, 0.95f, &error))
        || (status = codegeex_generate_options_set_seed(options, 7, &error))
        || (status = codegeex_model_generate(model, prompt, prompt_len, options, NULL, print_text, NULL,
                                             &done, &error)))
        goto end;
    codegeex_completions_ids(done, 0, &tokens);
    printf("\n-- %zu tokens, %s\n", tokens,
           codegeex_finish_reason_name(codegeex_completions_finish_reason(done, 0)));
    codegeex_completions_free(done);
    done = NULL;

    /* The other way to end one is a codegeex_cancel_token, which any thread may set. */
    if ((status = codegeex_generate_options_set_max_new_tokens(options, 512, &error))
        || (status = codegeex_generate_options_set_temperature(options, 0.0f, &error))
        || (status = codegeex_model_generate(model, prompt, prompt_len, options, NULL, count_down, &left,
                                             &done, &error)))
        goto end;
    codegeex_completions_ids(done, 0, &tokens);
    printf("-- cancelled after %zu tokens, %s\n", tokens,
           codegeex_finish_reason_name(codegeex_completions_finish_reason(done, 0)));

end:
    if (status)
        failed(status, error);
    codegeex_completions_free(done);
    codegeex_generate_options_free(options);
    codegeex_free(prompt);
    codegeex_model_free(model);
    return status != CODEGEEX_OK;
}
