/* Built against the header of release 0.1, which lies beside it, and run with today's library. */
#include <stdio.h>
#include <string.h>

#include "codegeex.h"

static int hear(void *userdata, const codegeex_event *event)
{
    size_t *bytes = userdata;
    if (event->struct_size < sizeof *event)
        return 1;
    *bytes += event->text_len;
    return 0;
}

int main(int argc, char **argv)
{
    codegeex_error *error = NULL;
    codegeex_model *model = NULL;
    codegeex_generate_options *options = NULL;
    codegeex_completions *done = NULL;
    codegeex_model_info info;
    const char *key = "max_new_tokens";
    const char *text;
    size_t bytes = 0, len = 0;
    int right = 0;

    if (argc != 2)
        return 2;
    if (codegeex_abi_version() >> 16 != CODEGEEX_ABI_MAJOR
        || (codegeex_abi_version() & 0xffff) < CODEGEEX_ABI_MINOR)
        return 3;
    memset(&info, 0, sizeof info);
    info.struct_size = sizeof info;
    if (codegeex_model_open(argv[1], strlen(argv[1]), NULL, NULL, NULL, NULL, &model, &error) == CODEGEEX_OK
        && codegeex_model_get_info(model, &info, &error) == CODEGEEX_OK
        && codegeex_generate_options_new(&options, &error) == CODEGEEX_OK
        && codegeex_generate_options_set(options, key, strlen(key), "9", 1, &error) == CODEGEEX_OK
        && codegeex_generate_options_set_temperature(options, 0.7f, &error) == CODEGEEX_OK
        && codegeex_model_generate(model, "def f(", 6, options, NULL, hear, &bytes, &done, &error)
               == CODEGEEX_OK) {
        text = codegeex_completions_text(done, 0, &len);
        right = text != NULL && len == bytes && len > 0 && info.num_layers == 6
            && info.parameters > 19000000 && info.struct_size == sizeof info;
    }
    if (!right)
        fprintf(stderr, "%s\n", error ? codegeex_error_message(error, NULL) : "another answer");
    codegeex_error_free(error);
    codegeex_completions_free(done);
    codegeex_generate_options_free(options);
    codegeex_model_free(model);
    return !right;
}
