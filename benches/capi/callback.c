/*
 * What a token costs across the C interface, with a callback and without one:
 *
 *   tools/install-capi.sh /tmp/codegeex
 *   cc -O2 benches/capi/callback.c -o /tmp/callback \
 *     $(PKG_CONFIG_PATH=/tmp/codegeex/lib/pkgconfig pkg-config --cflags --libs codegeex)
 *   LD_LIBRARY_PATH=/tmp/codegeex/lib /tmp/callback models/codegeex_tiny.safetensors
 *
 * benches/callback.rs does the same by the Rust interface and prints the same lines. The model
 * computes with one thread; the two ways alternate, and the median of the rounds counts.
 */
#define _POSIX_C_SOURCE 200809L
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "codegeex.h"

#define ROUNDS 15
#define TOKENS 256

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e6 + (double)time.tv_nsec * 1e-3;
}

static int hear(void *userdata, const codegeex_event *event)
{
    size_t *bytes = userdata;
    *bytes += event->text_len;
    return 0;
}

static int ascending(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

static int failed(codegeex_error *error)
{
    fprintf(stderr, "%s\n", codegeex_error_message(error, NULL));
    codegeex_error_free(error);
    return 1;
}

int main(int argc, char **argv)
{
    const char *prompt = "# language: Python\ndef read_lines(path):";
    double times[2][ROUNDS];
    codegeex_error *error = NULL;
    codegeex_model *model = NULL;
    codegeex_open_options *open = NULL;
    codegeex_generate_options *options = NULL;
    int round, way;

    if (argc != 2)
        return 2;
    if (codegeex_open_options_new(&open, &error) || codegeex_open_options_set_threads(open, 1, &error)
        || codegeex_model_open(argv[1], strlen(argv[1]), open, NULL, NULL, NULL, &model, &error)
        || codegeex_generate_options_new(&options, &error)
        || codegeex_generate_options_set_max_new_tokens(options, TOKENS, &error)
        || codegeex_generate_options_set_temperature(options, 0.8f, &error)
        || codegeex_generate_options_set_seed(options, 7, &error))
        return failed(error);
    for (round = 0; round < ROUNDS; round++) {
        for (way = 0; way < 2; way++) {
            codegeex_completions *done = NULL;
            size_t bytes = 0, len = 0, count = 0;
            double start = now();

            if (codegeex_model_generate(model, prompt, strlen(prompt), options, NULL, way ? hear : NULL,
                                        &bytes, &done, &error))
                return failed(error);
            times[way][round] = now() - start;
            codegeex_completions_text(done, 0, &len);
            codegeex_completions_ids(done, 0, &count);
            if (count != TOKENS || (way && bytes != len)) {
                fprintf(stderr, "another answer: %zu tokens, %zu of %zu bytes\n", count, bytes, len);
                return 1;
            }
            times[way][round] /= (double)count;
            codegeex_completions_free(done);
        }
    }
    for (way = 0; way < 2; way++)
        qsort(times[way], ROUNDS, sizeof **times, ascending);
    printf("C, kernels %s\n", codegeex_model_kernels(model));
    printf("without a callback: %.3f us a token\n", times[0][ROUNDS / 2]);
    printf("with a callback: %.3f us a token\n", times[1][ROUNDS / 2]);
    codegeex_generate_options_free(options);
    codegeex_open_options_free(open);
    codegeex_model_free(model);
    return 0;
}
