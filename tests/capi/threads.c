/* Two threads generate from one model, a third cancels one of them and frees what they use: argv[1] is
 * the default model. Built with -fsanitize=thread too. */
#include <pthread.h>

#include "check.h"

#define PROMPT "def add(a, b):\n"

struct task {
    const codegeex_model *model;
    codegeex_cancel_token *cancel;
    pthread_mutex_t mutex;
    pthread_cond_t begun;
    int tokens;
    size_t most, count;
    int32_t reason;
    codegeex_status status;
    uint32_t ids[64];
};

static int hear(void *userdata, const codegeex_event *event)
{
    struct task *task = userdata;
    (void)event;
    pthread_mutex_lock(&task->mutex);
    task->tokens++;
    pthread_cond_signal(&task->begun);
    pthread_mutex_unlock(&task->mutex);
    return 0;
}

static void *work(void *argument)
{
    struct task *task = argument;
    codegeex_generate_options *options = NULL;
    codegeex_completions *all = NULL;
    const uint32_t *ids;

    task->status = codegeex_generate_options_new(&options, NULL);
    if (task->status == CODEGEEX_OK)
        task->status = codegeex_generate_options_set_max_new_tokens(options, task->most, NULL);
    if (task->status == CODEGEEX_OK)
        task->status = codegeex_model_generate(task->model, PROMPT, strlen(PROMPT), options, task->cancel,
                                               hear, task, &all, NULL);
    codegeex_generate_options_free(options);
    if (task->status == CODEGEEX_OK) {
        ids = codegeex_completions_ids(all, 0, &task->count);
        memcpy(task->ids, ids, (task->count < 64 ? task->count : 64) * sizeof *ids);
        task->reason = codegeex_completions_finish_reason(all, 0);
    }
    codegeex_completions_free(all);
    return NULL;
}

int main(int argc, char **argv)
{
    codegeex_error *error = NULL;
    codegeex_model *model = NULL;
    codegeex_cancel_token *cancel = NULL;
    struct task tasks[3];
    pthread_t threads[3];
    int i;

    if (argc != 2)
        return 2;
    CHECK_OK(codegeex_model_open(argv[1], strlen(argv[1]), NULL, NULL, NULL, NULL, &model, &error));
    CHECK_OK(codegeex_cancel_token_new(0, &cancel, &error));
    memset(tasks, 0, sizeof tasks);
    for (i = 0; i < 3; i++) {
        tasks[i].model = model;
        tasks[i].most = i < 2 ? 32 : 1900;
        tasks[i].cancel = i < 2 ? NULL : cancel;
        pthread_mutex_init(&tasks[i].mutex, NULL);
        pthread_cond_init(&tasks[i].begun, NULL);
        CHECK(pthread_create(&threads[i], NULL, work, &tasks[i]) == 0);
    }
    for (i = 0; i < 3; i++) {
        pthread_mutex_lock(&tasks[i].mutex);
        while (tasks[i].tokens < 3)
            pthread_cond_wait(&tasks[i].begun, &tasks[i].mutex);
        pthread_mutex_unlock(&tasks[i].mutex);
    }
    /* All are under way: the model's handle may go, and so may the token's once it is set. */
    codegeex_model_free(model);
    CHECK_OK(codegeex_cancel_token_cancel(cancel, &error));
    codegeex_cancel_token_free(cancel);
    for (i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
        CHECK(tasks[i].status == CODEGEEX_OK);
        pthread_mutex_destroy(&tasks[i].mutex);
        pthread_cond_destroy(&tasks[i].begun);
    }
    CHECK(tasks[0].count == 32 && tasks[1].count == 32 && tasks[0].reason == CODEGEEX_FINISH_LENGTH);
    CHECK(memcmp(tasks[0].ids, tasks[1].ids, 32 * sizeof(uint32_t)) == 0);
    CHECK(tasks[2].reason == CODEGEEX_FINISH_CANCELLED && tasks[2].count < 1900);
    return done();
}
