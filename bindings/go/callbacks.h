/* The library's callbacks, which hand on to Go. A userdata is a cgo.Handle. */
#ifndef CODEGEEX_GO_CALLBACKS_H
#define CODEGEEX_GO_CALLBACKS_H

#include <codegeex.h>

/* Makes the pointer that C carries of a handle: Go would take it for a pointer of its own. */
static inline void *codegeex_go_userdata(uintptr_t handle) { return (void *)handle; }

int32_t codegeex_go_event(void *userdata, const codegeex_event *event);
int32_t codegeex_go_progress(void *userdata, uint64_t done, uint64_t total);
void codegeex_go_log(void *userdata, int32_t level, const char *message, size_t message_len);
int32_t codegeex_go_sampler(void *userdata, const codegeex_sampler_input *input);
void codegeex_go_destroy(void *userdata);

#endif
