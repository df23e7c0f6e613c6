/* A harness of a few lines: CHECK counts what is wrong and says where; done() is the exit status. */
#ifndef CHECK_H
#define CHECK_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codegeex.h"

static int checks, failures;

static void check(int right, const char *what, const char *file, int line)
{
    checks++;
    if (!right) {
        failures++;
        fprintf(stderr, "%s:%d: not so: %s\n", file, line, what);
    }
}

#define CHECK(condition) check((condition) != 0, #condition, __FILE__, __LINE__)

/* A call that succeeds; the error of one that does not is shown. */
static inline void check_ok(codegeex_status status, codegeex_error **error, const char *what,
                     const char *file, int line)
{
    check(status == CODEGEEX_OK, what, file, line);
    if (status != CODEGEEX_OK)
        fprintf(stderr, "  %d: %s\n", (int)status, codegeex_error_message(*error, NULL));
    codegeex_error_free(*error);
    *error = NULL;
}

#define CHECK_OK(call) check_ok(call, &error, #call, __FILE__, __LINE__)

/* Sets an option by its key: SET(generate, options, "top_k", "40", &error). */
#define SET(kind, options, key, value, error) \
    codegeex_##kind##_options_set(options, key, CODEGEEX_STRLEN, value, CODEGEEX_STRLEN, error)

/* A call that fails with this status, and an error that says so and why. */
static inline void check_status(codegeex_status status, codegeex_status expected, codegeex_error **error,
                         const char *what, const char *file, int line)
{
    size_t len = 0;
    const char *message = codegeex_error_message(*error, &len);
    int right = status == expected && codegeex_error_code(*error) == expected && len > 0
        && message != NULL && strlen(message) == len;
    check(right, what, file, line);
    if (!right)
        fprintf(stderr, "  status %d, expected %d: %s\n", (int)status, (int)expected,
                message ? message : "no error");
    codegeex_error_free(*error);
    *error = NULL;
}

#define CHECK_STATUS(call, expected) \
    check_status(call, expected, &error, #call, __FILE__, __LINE__)
#define REFUSED(call) CHECK_STATUS(call, CODEGEEX_INVALID_ARGUMENT)

static inline int done(void)
{
    if (failures)
        fprintf(stderr, "%d of %d checks failed\n", failures, checks);
    else
        fprintf(stderr, "%d checks\n", checks);
    return failures != 0;
}

#endif
