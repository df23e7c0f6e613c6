/* Handles that are freed while others use them, that are freed twice, of another kind, and made up:
 * an error or nothing, never memory that is gone. Built with AddressSanitizer and ThreadSanitizer too. */
#include <pthread.h>
#include <sched.h>

#include "check.h"

enum { ROUNDS = 2000 };

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static int entered;

static int has_entered(void)
{
    int yes;
    pthread_mutex_lock(&mutex);
    yes = entered;
    pthread_mutex_unlock(&mutex);
    return yes;
}

static void *cancel(void *token)
{
    codegeex_status status;
    pthread_mutex_lock(&mutex);
    entered = 1;
    pthread_mutex_unlock(&mutex);
    status = codegeex_cancel_token_cancel(token, NULL);
    return status == CODEGEEX_OK || status == CODEGEEX_INVALID_ARGUMENT ? NULL : token;
}

static void *release(void *token)
{
    codegeex_cancel_token_free(token);
    return NULL;
}

static void races(void)
{
    int i;
    for (i = 0; i < ROUNDS; i++) {
        codegeex_cancel_token *token = NULL;
        pthread_t user, other;
        void *odd = NULL;
        if (codegeex_cancel_token_new(0, &token, NULL))
            exit(3);
        entered = 0;
        pthread_create(&user, NULL, cancel, token);
        while (!has_entered())
            sched_yield();
        pthread_create(&other, NULL, release, token);
        codegeex_cancel_token_free(token);
        pthread_join(user, &odd);
        CHECK(odd == NULL);
        pthread_join(other, &odd);
    }
}

int main(void)
{
    codegeex_cancel_token *token = NULL, *next = NULL;
    codegeex_error *error = NULL;
    uintptr_t made_up[] = {1, 8, 4096, 0x7fffffffffff, UINTPTR_MAX, UINTPTR_MAX / 2 + 1, UINTPTR_MAX / 2 + 70};
    size_t i;

    CHECK_OK(codegeex_cancel_token_new(0, &token, &error));
    codegeex_cancel_token_free(token);
    REFUSED(codegeex_cancel_token_cancel(token, &error));
    codegeex_cancel_token_free(token);
    /* The place is given out again, and the old handle does not mean the new one. */
    for (i = 0; i < 1000; i++) {
        CHECK_OK(codegeex_cancel_token_new(0, &next, &error));
        CHECK(next != token);
        codegeex_cancel_token_free(token);
        CHECK_OK(codegeex_cancel_token_cancel(next, &error));
        codegeex_cancel_token_free(next);
    }
    CHECK_OK(codegeex_cancel_token_new(0, &token, &error));
    codegeex_model_free((codegeex_model *)(void *)token);
    CHECK_OK(codegeex_cancel_token_cancel(token, &error));
    for (i = 0; i < sizeof made_up / sizeof *made_up; i++) {
        REFUSED(codegeex_cancel_token_cancel((codegeex_cancel_token *)made_up[i], &error));
        codegeex_cancel_token_free((codegeex_cancel_token *)made_up[i]);
        codegeex_tokenizer_free((codegeex_tokenizer *)made_up[i]);
        CHECK(codegeex_error_message((codegeex_error *)made_up[i], NULL) == NULL);
    }
    codegeex_cancel_token_free(token);
    races();
    return done();
}
