#include "callbacks.h"

#include "_cgo_export.h"

int32_t codegeex_go_event(void *userdata, const codegeex_event *event)
{
    return codegeexGoEvent((uintptr_t)userdata, (codegeex_event *)event);
}

int32_t codegeex_go_progress(void *userdata, uint64_t done, uint64_t total)
{
    return codegeexGoProgress((uintptr_t)userdata, done, total);
}

void codegeex_go_log(void *userdata, int32_t level, const char *message, size_t message_len)
{
    codegeexGoLog((uintptr_t)userdata, level, (char *)message, message_len);
}

int32_t codegeex_go_sampler(void *userdata, const codegeex_sampler_input *input)
{
    return codegeexGoSampler((uintptr_t)userdata, (codegeex_sampler_input *)input);
}

void codegeex_go_destroy(void *userdata)
{
    codegeexGoDestroy((uintptr_t)userdata);
}
