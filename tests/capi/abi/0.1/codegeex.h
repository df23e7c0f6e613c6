/*
 * codegeex: the CodeGeeX code model as a library. The C interface.
 *
 * Conventions
 *
 * Status. A function that can fail returns a codegeex_status: CODEGEEX_OK (0) or an error code.
 * Codes are the same in every release. The last argument, `error`, may be NULL. Otherwise it
 * receives an error object on failure, with a message and causes; free it with codegeex_error_free.
 * There is no global "last error". The library never aborts the process and never unwinds into the
 * caller. A panic inside the library is CODEGEEX_PANIC; the handles of that call can then only be
 * freed (CODEGEEX_POISONED).
 *
 * Results. Output arguments are written only on success. Functions that return a value instead of a
 * status return NULL, 0 or the documented value when an argument is invalid.
 *
 * NULL. An argument may be NULL where the documentation says so; elsewhere NULL is
 * CODEGEEX_INVALID_ARGUMENT.
 *
 * Handles. All types are opaque except a few structs. A handle is a key into a table inside the
 * library, not an address: you may compare it with other handles and with NULL, but never
 * dereference it. Free it with the function of its type whose name ends in _free; that function
 * ignores NULL. Handles keep alive what they need: a session stays valid after codegeex_model_free
 * of its model. You may free handles in any order and from any thread, also while a call uses them
 * or is about to. A call that has started completes normally; a call that starts later returns
 * CODEGEEX_INVALID_ARGUMENT, and so does every call with a handle that was freed or has another
 * type. Freeing such a handle does nothing, so a double free is harmless. Handle values are never
 * reused. Only the _free functions free or consume an argument.
 *
 * const. Functions that take a handle as a pointer to const may be called on it from any number of
 * threads concurrently. Functions that change a handle take it without const and must be called
 * from one thread at a time. A second concurrent call on a session, state, decoder or ticket
 * returns CODEGEEX_BUSY.
 *
 * Text. Text is UTF-8, passed as a pointer and a length in bytes. The length CODEGEEX_STRLEN means
 * that the text ends at its NUL; with any other length, NUL termination is optional. (NULL, 0) is
 * the empty text. Texts and arrays that a function returns to the caller are freed with
 * codegeex_free. Other texts and arrays belong to a handle and are valid until it is freed. Paths
 * are text.
 *
 * Options. Options are set by key: codegeex_generate_options_set(options, "top_k", CODEGEEX_STRLEN,
 * "40", CODEGEEX_STRLEN, &error). The documentation of each _set function lists its keys; the
 * functions whose names end in _key list those of the library at run time. The options that programs
 * set most have functions of their own. Numbers have a decimal point in every locale.
 *
 * Structs. Structs that the library fills start with `struct_size`; set it to sizeof before the
 * call. New fields are only added at the end.
 *
 * Callbacks. A callback receives the `userdata` of the call. It runs on the calling thread, before
 * the call returns, unless its documentation says otherwise. It must not unwind or longjmp out. It
 * may call the library.
 *
 * Memory. A failed allocation is CODEGEEX_OUT_OF_MEMORY, not an abort. The library keeps a reserve
 * of one megabyte for small allocations, so that a call can report the failure; in the worst case
 * `error` receives NULL.
 *
 * Processes. The library has no global state except the handle table, the memory reserve and
 * constant tables. It writes nothing to standard output. It starts threads only for open models and
 * services; they end before the last handle is freed. A process may fork before it opens a model,
 * and may dlclose the library after it has freed all handles.
 */


#ifndef CODEGEEX_H
#define CODEGEEX_H


#include <stddef.h>
#include <stdint.h>

/** The length of a text that ends at its NUL. */
#define CODEGEEX_STRLEN SIZE_MAX

/** The version of this header. */
#define CODEGEEX_VERSION "0.1.0"
#define CODEGEEX_VERSION_MAJOR 0
#define CODEGEEX_VERSION_MINOR 1
#define CODEGEEX_VERSION_PATCH 0


/**
 * The major version of the ABI, which is part of the soname. A program runs with every library of
 * the same major version that is not older than its header.
 */
#define CODEGEEX_ABI_MAJOR 0

/**
 * The minor version of the ABI. Every addition raises it.
 */
#define CODEGEEX_ABI_MINOR 1

/**
 * Failures. The call also returns them as errors.
 */
#define CODEGEEX_LOG_ERROR 1

/**
 * Possible mistakes of the caller.
 */
#define CODEGEEX_LOG_WARNING 2

/**
 * Opened models and the kernels they use.
 */
#define CODEGEEX_LOG_INFO 3

/**
 * Every call that computes, with its token counts.
 */
#define CODEGEEX_LOG_DEBUG 4

/**
 * Special tokens in the input, such as `<|endoftext|>`, are encoded as plain text: no input can
 * produce a control token.
 */
#define CODEGEEX_SPECIAL_AS_TEXT 0

/**
 * Special tokens in the input are encoded as the tokens that they name.
 */
#define CODEGEEX_SPECIAL_PARSE 1

/**
 * Replace invalid UTF-8 with U+FFFD.
 */
#define CODEGEEX_INVALID_UTF8_REPLACE 0

/**
 * Report invalid UTF-8 as an error.
 */
#define CODEGEEX_INVALID_UTF8_REFUSE 1

/**
 * Memory-map the files: opening is nearly free, and pages are read on first use. Do not truncate
 * the files while the model is open.
 */
#define CODEGEEX_MEMORY_MAP 0

/**
 * Read the files into private memory.
 */
#define CODEGEEX_MEMORY_COPY 1

/**
 * Memory-map and lock the files (mlock), so that their pages are never evicted. RLIMIT_MEMLOCK
 * must be at least the size of the files.
 */
#define CODEGEEX_MEMORY_LOCK 2

/**
 * A space, tab or other blank in code, except a line break.
 */
#define CODEGEEX_CODE_BLANK 0

/**
 * A line break in code, or at the end of a line comment.
 */
#define CODEGEEX_CODE_NEWLINE 1

/**
 * A word, a number, or a keyword that neither opens nor closes a block.
 */
#define CODEGEEX_CODE_WORD 2

/**
 * A bracket or keyword that opens.
 */
#define CODEGEEX_CODE_OPENER 3

/**
 * A bracket or keyword that closes what was open.
 */
#define CODEGEEX_CODE_CLOSER 4

/**
 * A closer without an opener.
 */
#define CODEGEEX_CODE_STRAY 5

/**
 * Any other character of code.
 */
#define CODEGEEX_CODE_SYMBOL 6

/**
 * A string with its delimiters, or part of one.
 */
#define CODEGEEX_CODE_STRING 7

/**
 * A comment with its delimiters, or part of one.
 */
#define CODEGEEX_CODE_COMMENT 8

/**
 * Indentation by tabs.
 */
#define CODEGEEX_INDENT_TABS 0

/**
 * Unknown indentation. A positive number is that many spaces.
 */
#define CODEGEEX_INDENT_UNKNOWN -1

/**
 * No event yet. codegeex_ticket_next reports it when it does not wait.
 */
#define CODEGEEX_EVENT_NONE 0

/**
 * A token was sampled; the last of a text may be the end of text, whose `text` is empty.
 */
#define CODEGEEX_EVENT_TOKEN 1

/**
 * A sample is complete; `text` is the rest of its text.
 */
#define CODEGEEX_EVENT_END 2

/**
 * A request of a service has finished. No event follows.
 */
#define CODEGEEX_EVENT_DONE 3

/**
 * The completion has not finished.
 */
#define CODEGEEX_FINISH_NONE 0

/**
 * The model ended the text.
 */
#define CODEGEEX_FINISH_END_OF_TEXT 1

/**
 * A stop string appeared.
 */
#define CODEGEEX_FINISH_STOP 2

/**
 * The maximum number of new tokens was reached.
 */
#define CODEGEEX_FINISH_LENGTH 3

/**
 * The context length was reached.
 */
#define CODEGEEX_FINISH_CONTEXT_FULL 4

/**
 * The cancel token was set, or the callback cancelled.
 */
#define CODEGEEX_FINISH_CANCELLED 5

/**
 * The timeout expired.
 */
#define CODEGEEX_FINISH_DEADLINE 6

/**
 * The prompt has more tokens to compute than the prefill limit.
 */
#define CODEGEEX_FINISH_PREFILL_LIMIT 7

/**
 * A reason without a number in this header.
 */
#define CODEGEEX_FINISH_OTHER 8

/**
 * Stop rule for code: the line ended.
 */
#define CODEGEEX_FINISH_END_OF_LINE 9

/**
 * Stop rule for code: the block ended.
 */
#define CODEGEEX_FINISH_END_OF_BLOCK 10

/**
 * Stop rule for code: the function ended.
 */
#define CODEGEEX_FINISH_END_OF_FUNCTION 11

/**
 * Stop rule for code: a line started in the first column.
 */
#define CODEGEEX_FINISH_UNINDENTED_LINE 12

/**
 * Stop rule for code: the point where the CodeGeeX reference ends a HumanEval-X generation.
 */
#define CODEGEEX_FINISH_HUMANEVAL 13

/**
 * The next word or run of other characters, with the whitespace before it.
 */
#define CODEGEEX_ACCEPT_WORD 0

/**
 * The first non-blank line, with its line break and the blank lines before it.
 */
#define CODEGEEX_ACCEPT_LINE 1

/**
 * The whole suggestion.
 */
#define CODEGEEX_ACCEPT_ALL 2

/**
 * No logits: the tokens are only added to the state.
 */
#define CODEGEEX_LOGITS_NONE 0

/**
 * Logits of the last token only.
 */
#define CODEGEEX_LOGITS_LAST 1

/**
 * Logits of every token.
 */
#define CODEGEEX_LOGITS_ALL 2

/**
 * codegeex_service_submit blocks while the queue is full.
 */
#define CODEGEEX_WHEN_FULL_WAIT 0

/**
 * codegeex_service_submit returns CODEGEEX_BUSY when the queue is full.
 */
#define CODEGEEX_WHEN_FULL_REFUSE 1

/**
 * Options of a beam search. Unset options keep their defaults: four beams of at most 128 tokens by
 * the rules of the CodeGeeX reference. NULL means all defaults.
 *
 * Threads: set options from one thread at a time. Any number of threads may read options that no
 * longer change.
 */
typedef struct codegeex_beam_options codegeex_beam_options;

/**
 * A flag that cancels running calls. It is set once and never cleared. One token serves any number
 * of calls, also concurrent ones.
 *
 * Threads: safe to call from any thread at any time.
 */
typedef struct codegeex_cancel_token codegeex_cancel_token;

/**
 * Finds where code ends while text is added piece by piece, by the stop rules of
 * codegeex_generate_options_set.
 *
 * Threads: one call at a time; a concurrent call returns CODEGEEX_BUSY.
 */
typedef struct codegeex_code_stop codegeex_code_stop;

/**
 * The finished samples of a generation, or the beams of a beam search, best first.
 *
 * Threads: immutable; any number of threads may read one concurrently.
 */
typedef struct codegeex_completions codegeex_completions;

/**
 * Options of a conversion. Unset options keep their defaults: element types unchanged, no
 * quantization, no overwriting. NULL means all defaults.
 *
 * Threads: set options from one thread at a time. Any number of threads may read options that no
 * longer change.
 */
typedef struct codegeex_convert_options codegeex_convert_options;

/**
 * A streaming decoder: takes ids one at a time and returns text as soon as it is final. A token
 * may end inside a character.
 *
 * Threads: one call at a time; a concurrent call returns CODEGEEX_BUSY.
 */
typedef struct codegeex_decoder codegeex_decoder;

/**
 * Options of an edit session. Unset options keep their defaults: at most 64 tokens, token healing,
 * all post-processing. NULL means all defaults.
 *
 * Threads: set options from one thread at a time. Any number of threads may read options that no
 * longer change.
 */
typedef struct codegeex_edit_options codegeex_edit_options;

/**
 * Inline code suggestions at a cursor while the text around it changes. It keeps the model alive.
 *
 * Threads: one call at a time; a concurrent call, also from a callback, returns CODEGEEX_BUSY. To
 * stop a suggestion from another thread, set the cancel token of the call.
 */
typedef struct codegeex_edit_session codegeex_edit_session;

/**
 * An error: a status, a message that says what was found, what was expected and what to do, and
 * the causes.
 *
 * Owned by the caller. Immutable: any number of threads may read one concurrently.
 */
typedef struct codegeex_error codegeex_error;

/**
 * Options of a generation. Unset options keep their defaults: greedy, 128 new tokens, one sample,
 * no stop strings. NULL means all defaults. Values out of range are reported by the call that uses
 * the options.
 *
 * Threads: set options from one thread at a time. Any number of threads may read options that no
 * longer change. A call reads the options when it starts.
 */
typedef struct codegeex_generate_options codegeex_generate_options;

/**
 * The logits of a call, one row per token.
 *
 * Threads: immutable; any number of threads may read one concurrently.
 */
typedef struct codegeex_logits codegeex_logits;

/**
 * A loaded model with its tokenizer.
 *
 * Threads: immutable; any number of threads may use one concurrently.
 */
typedef struct codegeex_model codegeex_model;

/**
 * Options for opening a model. Unset options keep their defaults; NULL means all defaults.
 *
 * Threads: set options from one thread at a time. Any number of threads may read options that no
 * longer change.
 */
typedef struct codegeex_open_options codegeex_open_options;

/**
 * Log-probabilities of given tokens.
 *
 * Threads: immutable; any number of threads may read one concurrently.
 */
typedef struct codegeex_score codegeex_score;

/**
 * Runs requests from any number of threads in one batch (continuous batching): each step reads the
 * weights once for all of them.
 *
 * Threads: any number of threads may use one concurrently. It runs its own thread. Freeing the
 * service cancels running requests and ends that thread.
 */
typedef struct codegeex_service codegeex_service;

/**
 * Limits of a service. Unset options keep their defaults: 64 concurrent sequences, 1024 waiting
 * requests. NULL means all defaults.
 *
 * Threads: set options from one thread at a time. Any number of threads may read options that no
 * longer change.
 */
typedef struct codegeex_service_options codegeex_service_options;

/**
 * A sequence with its KV cache, kept between calls. A prompt that shares a prefix with it is
 * computed only from the first different token. Results do not depend on the cache.
 *
 * Threads: one call at a time; a concurrent call, also from a callback, returns CODEGEEX_BUSY.
 */
typedef struct codegeex_session codegeex_session;

/**
 * The state of one sequence: its KV cache. It keeps the model alive.
 *
 * Threads: one call at a time; a concurrent call returns CODEGEEX_BUSY.
 */
typedef struct codegeex_state codegeex_state;

/**
 * A prompt with its stop strings and the text around the answer.
 *
 * Threads: immutable; any number of threads may read one concurrently.
 */
typedef struct codegeex_task codegeex_task;

/**
 * A submitted request. Freeing the ticket cancels it.
 *
 * Threads: codegeex_ticket_cancel is safe from any thread at any time. The other functions: one
 * call at a time; a concurrent call returns CODEGEEX_BUSY.
 */
typedef struct codegeex_ticket codegeex_ticket;

/**
 * Text to token ids and back.
 *
 * Threads: immutable; any number of threads may use one concurrently.
 */
typedef struct codegeex_tokenizer codegeex_tokenizer;

/**
 * A status code: `CODEGEEX_OK` or an error. Codes are grouped by hundreds and never reused. Later
 * releases may add codes.
 */
typedef int32_t codegeex_status;

/**
 * Log callback. `message` is one line of NUL-terminated UTF-8, valid during the call. `level` is
 * one of `CODEGEEX_LOG_*`.
 *
 * It runs on the thread that logs, which can be any thread that uses the handle. It must not
 * unwind.
 */
typedef void (*codegeex_log_callback)(void *userdata,
                                      int32_t level,
                                      const char *message,
                                      size_t message_len);

/**
 * Called once when `userdata` is no longer needed.
 */
typedef void (*codegeex_destroy_callback)(void *userdata);

/**
 * Progress callback of a long call: `done` of `total`, in the unit that the call documents. Return
 * 0 to continue, any other value to cancel the call. It runs on the calling thread and must not
 * unwind.
 */
typedef int32_t (*codegeex_progress_callback)(void *userdata, uint64_t done, uint64_t total);

/**
 * Sizes of a model. Set `struct_size` to `sizeof` before the call; later releases may add fields
 * at the end.
 */
typedef struct codegeex_model_info {
    /**
     * Size of this struct in bytes.
     */
    size_t struct_size;
    /**
     * Decoder layers, without the top query layer.
     */
    size_t num_layers;
    /**
     * Width of the hidden state.
     */
    size_t hidden_size;
    /**
     * Query heads.
     */
    size_t num_attention_heads;
    /**
     * Key and value heads.
     */
    size_t num_kv_heads;
    /**
     * Number of logits per row. Ids at or above the tokenizer's vocabulary size are padding.
     */
    size_t vocab_size;
    /**
     * Context length in tokens.
     */
    size_t max_positions;
    /**
     * Number of parameters.
     */
    uint64_t parameters;
} codegeex_model_info;

/**
 * Memory that a model will need, in bytes. Set `struct_size` to `sizeof` before the call; later
 * releases may add fields at the end.
 */
typedef struct codegeex_memory_estimate {
    /**
     * Size of this struct in bytes.
     */
    size_t struct_size;
    /**
     * Weights used in place in mapped files, shared between processes.
     */
    uint64_t weights_mapped;
    /**
     * Weights in private memory.
     */
    uint64_t weights_owned;
    /**
     * KV cache of one token.
     */
    uint64_t cache_per_token;
    /**
     * KV cache of all sequences at full length.
     */
    uint64_t cache;
    /**
     * Activations of the largest call, and its logits.
     */
    uint64_t scratch;
    /**
     * The sum of the parts above.
     */
    uint64_t total;
} codegeex_memory_estimate;

/**
 * A text, UTF-8.
 */
typedef struct codegeex_text {
    /**
     * The text; NULL if it is empty.
     */
    const char *data;
    /**
     * Its length in bytes, or CODEGEEX_STRLEN.
     */
    size_t len;
} codegeex_text;

/**
 * The log-probabilities (natural logarithms) of a candidate, for codegeex_code_rank.
 */
typedef struct codegeex_likelihood {
    /**
     * The log-probability of each token of the candidate.
     */
    const float *logprobs;
    /**
     * Number of elements of `logprobs`.
     */
    size_t logprobs_len;
    /**
     * The log-probability of each token of the text after the cursor, given the text before the
     * cursor and the candidate; NULL or empty if unknown.
     */
    const float *suffix;
    /**
     * Number of elements of `suffix`.
     */
    size_t suffix_len;
} codegeex_likelihood;

/**
 * A ranked candidate.
 */
typedef struct codegeex_ranked {
    /**
     * Index of the candidate.
     */
    size_t index;
    /**
     * Its score: mean log-probability per token, higher is better; never NaN.
     */
    double score;
} codegeex_ranked;

/**
 * A token of source code. The tokens of a text cover all of it.
 */
typedef struct codegeex_code_token {
    /**
     * First byte in the text.
     */
    size_t start;
    /**
     * Length in bytes.
     */
    size_t len;
    /**
     * Number of open brackets and blocks after this token.
     */
    size_t depth;
    /**
     * One of `CODEGEEX_CODE_*`. Later releases may add kinds.
     */
    int32_t kind;
    /**
     * Always 0.
     */
    int32_t reserved;
} codegeex_code_token;

/**
 * A candidate for the next token.
 */
typedef struct codegeex_candidate {
    /**
     * The token.
     */
    uint32_t id;
    /**
     * Its logit.
     */
    float logit;
} codegeex_candidate;

/**
 * The input of a sampler. Later releases may add fields at the end; `struct_size` says which
 * fields are present.
 */
typedef struct codegeex_sampler_input {
    /**
     * Size of this struct in bytes.
     */
    size_t struct_size;
    /**
     * Ids of the prompt.
     */
    const uint32_t *prompt;
    /**
     * Number of ids in `prompt`.
     */
    size_t prompt_len;
    /**
     * Ids generated so far.
     */
    const uint32_t *generated;
    /**
     * Number of ids in `generated`.
     */
    size_t generated_len;
    /**
     * The candidates in ascending order of their ids. Change logits in place; negative infinity
     * removes a candidate.
     */
    struct codegeex_candidate *candidates;
    /**
     * Number of candidates, at least 1.
     */
    size_t candidates_len;
} codegeex_sampler_input;

/**
 * Sampler callback: changes the logits of the candidates for the next token. `input` is valid
 * during the callback. Return 0 on success; any other value ends the generation with
 * CODEGEEX_CANCELLED.
 *
 * It must depend on `input` alone, so that the same input gives the same output; with speculative
 * decoding it may run several times for one position. It runs on the thread that computes: the
 * calling thread, a thread of a concurrent call on the same model, or the thread of a service. It
 * must not unwind.
 */
typedef int32_t (*codegeex_sampler_callback)(void *userdata,
                                             const struct codegeex_sampler_input *input);

/**
 * A token with its log-probability under the model, before sampling.
 */
typedef struct codegeex_token_logprob {
    /**
     * The token.
     */
    uint32_t id;
    /**
     * Its log-probability.
     */
    float logprob;
} codegeex_token_logprob;

/**
 * An event of a generation. Later releases may add fields at the end; `struct_size` says which
 * fields are present.
 */
typedef struct codegeex_event {
    /**
     * Size of this struct in bytes.
     */
    size_t struct_size;
    /**
     * One of `CODEGEEX_EVENT_*`. Ignore unknown kinds.
     */
    int32_t kind;
    /**
     * For an end event: one of `CODEGEEX_FINISH_*`.
     */
    int32_t finish_reason;
    /**
     * Index of the sample, from 0.
     */
    size_t sample;
    /**
     * For a token event: its id.
     */
    uint32_t id;
    /**
     * For a token event: its log-probability under the model, before sampling.
     */
    float logprob;
    /**
     * Newly finalized text, UTF-8, not NUL-terminated. It may be empty: a token may end inside a
     * character, and a possible beginning of a stop string is held back.
     */
    const char *text;
    /**
     * Bytes of `text`.
     */
    size_t text_len;
    /**
     * For a token event: the most likely tokens at its position, best first, as many as
     * `top_logprobs` of the options.
     */
    const struct codegeex_token_logprob *top_logprobs;
    /**
     * Number of elements of `top_logprobs`.
     */
    size_t top_logprobs_len;
    /**
     * For an end at a stop string: its index in the options; SIZE_MAX for every other event.
     */
    size_t stop_index;
} codegeex_event;

/**
 * Event callback of a generation. The event and the data it points to are valid during the
 * callback. Return 0 to continue, any other value to cancel the generation. It runs on the calling
 * thread and must not unwind. It may free handles, also those of the running call.
 */
typedef int32_t (*codegeex_event_callback)(void *userdata, const struct codegeex_event *event);

/**
 * Effect of an update of the text. Set `struct_size` to `sizeof` before the call; later releases
 * may add fields at the end.
 */
typedef struct codegeex_edit_update {
    /**
     * Size of this struct in bytes.
     */
    size_t struct_size;
    /**
     * Bytes cut from the beginning of the text because it is too long for the model.
     */
    size_t clipped_bytes;
    /**
     * Line breaks in those bytes.
     */
    size_t clipped_lines;
    /**
     * 1 if the visible text now starts at another place, so that the KV cache is computed again.
     */
    int32_t moved;
    /**
     * 1 if a suggestion still matches the text, so that nothing needs to be computed.
     */
    int32_t is_alive;
} codegeex_edit_update;

/**
 * Load of a service. Set `struct_size` to `sizeof` before the call; later releases may add fields
 * at the end.
 */
typedef struct codegeex_service_progress {
    /**
     * Size of this struct in bytes.
     */
    size_t struct_size;
    /**
     * Requests waiting in the queue.
     */
    size_t waiting;
    /**
     * Running requests.
     */
    size_t running;
    /**
     * Samples and beams being generated.
     */
    size_t sequences;
    /**
     * Bytes of KV cache reserved, prompt cache included.
     */
    uint64_t cache_bytes;
    /**
     * Prompt tokens found in the prompt cache since the start.
     */
    uint64_t reused_tokens;
} codegeex_service_progress;

/**
 * Success.
 */
#define CODEGEEX_OK 0

/**
 * An argument is invalid, or a required argument is NULL.
 */
#define CODEGEEX_INVALID_ARGUMENT 100

/**
 * A token id is out of range for the vocabulary.
 */
#define CODEGEEX_TOKEN_OUT_OF_RANGE 101

/**
 * A sequence would exceed the context length.
 */
#define CODEGEEX_CONTEXT_OVERFLOW 102

/**
 * A state belongs to another model.
 */
#define CODEGEEX_STATE_MISMATCH 103

/**
 * The operating system reported an I/O error.
 */
#define CODEGEEX_IO 200

/**
 * A file or folder does not exist.
 */
#define CODEGEEX_NOT_FOUND 201

/**
 * A file violates its own format: truncated, overlapping or overflowing.
 */
#define CODEGEEX_MALFORMED_FILE 300

/**
 * A well-formed file uses a feature that this library does not support.
 */
#define CODEGEEX_UNSUPPORTED_FILE 301

/**
 * A checkpoint lacks a tensor that the model needs.
 */
#define CODEGEEX_MISSING_TENSOR 302

/**
 * A tensor's shape differs from the model configuration.
 */
#define CODEGEEX_SHAPE_MISMATCH 303

/**
 * The model configuration is missing.
 */
#define CODEGEEX_MISSING_CONFIG 304

/**
 * A model configuration is inconsistent or unsupported.
 */
#define CODEGEEX_INVALID_CONFIG 305

/**
 * Text is not valid UTF-8.
 */
#define CODEGEEX_INVALID_UTF8 400

/**
 * A tokenizer vocabulary is inconsistent.
 */
#define CODEGEEX_INVALID_VOCABULARY 401

/**
 * A computation produced NaN or infinity.
 */
#define CODEGEEX_NON_FINITE 500

/**
 * An allocation failed or exceeded a configured limit.
 */
#define CODEGEEX_OUT_OF_MEMORY 501

/**
 * A backend or instruction set is not available on this machine.
 */
#define CODEGEEX_BACKEND_UNAVAILABLE 502

/**
 * The queue is full, or the handle is in use by another call. Retry later.
 */
#define CODEGEEX_BUSY 503

/**
 * The call was cancelled.
 */
#define CODEGEEX_CANCELLED 600

/**
 * A broken invariant of this library. Please report it.
 */
#define CODEGEEX_INTERNAL 900

/**
 * A panic inside this library, caught at the boundary. Please report it with its message. The
 * handles of the call are poisoned.
 */
#define CODEGEEX_PANIC 901

/**
 * An earlier call with the same handle panicked. The handle can only be freed.
 */
#define CODEGEEX_POISONED 902

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * The name of a status, such as `out of memory`; a static string. `unknown status` for an unknown
 * number.
 */
const char *codegeex_status_name(codegeex_status status);

/**
 * The status of the error; `CODEGEEX_INVALID_ARGUMENT` for NULL.
 */
codegeex_status codegeex_error_code(const struct codegeex_error *error);

/**
 * The message, NUL-terminated UTF-8. It belongs to the error. NULL for NULL.
 *
 * `len` receives its length in bytes and may be NULL.
 */
const char *codegeex_error_message(const struct codegeex_error *error, size_t *len);

/**
 * Number of causes; 0 for NULL.
 */
size_t codegeex_error_causes(const struct codegeex_error *error);

/**
 * The message of a cause, nearest first, NUL-terminated UTF-8. It belongs to the error. NULL for
 * NULL and for an index out of range.
 */
const char *codegeex_error_cause(const struct codegeex_error *error, size_t index, size_t *len);

/**
 * Frees an error. NULL is allowed.
 */
void codegeex_error_free(struct codegeex_error *error);

/**
 * The ABI version of the loaded library: `CODEGEEX_ABI_MAJOR * 65536 + CODEGEEX_ABI_MINOR` of its
 * header.
 */
uint32_t codegeex_abi_version(void);

/**
 * The version of the loaded library, such as `0.1.0`; a static string.
 */
const char *codegeex_version(void);

/**
 * The name of an instruction set that the kernels can use on this machine; a static string. Index
 * 0 is `scalar`; the last one is the fastest and the default. NULL for an index out of range.
 */
const char *codegeex_cpu_tier_name(size_t index);

/**
 * Number of names that `codegeex_cpu_tier_name` returns.
 */
size_t codegeex_cpu_tiers(void);

/**
 * The name of the fastest instruction set that the kernels can use on this machine; a static
 * string.
 */
const char *codegeex_cpu_tier(void);

/**
 * Whether the library was built with a feature, by name: 1 or 0. Currently only `capi` exists.
 */
int32_t codegeex_has_feature(const char *name, size_t name_len);

/**
 * Frees a text or an array that a function returned to the caller, where its documentation says
 * "free it with codegeex_free". NULL is allowed.
 */
void codegeex_free(void *buffer);

/**
 * Creates a token that is not set. With `timeout_ms` above 0, the token sets itself after that
 * time.
 */
codegeex_status codegeex_cancel_token_new(uint64_t timeout_ms,
                                          struct codegeex_cancel_token **token,
                                          struct codegeex_error **error);

/**
 * Sets the token. Calls that use it return as soon as they see it.
 */
codegeex_status codegeex_cancel_token_cancel(const struct codegeex_cancel_token *token,
                                             struct codegeex_error **error);

/**
 * Whether the token is set: 1 or 0; 0 for NULL.
 */
int32_t codegeex_cancel_token_is_cancelled(const struct codegeex_cancel_token *token);

/**
 * Frees a token. Calls that use it continue. NULL is allowed.
 */
void codegeex_cancel_token_free(struct codegeex_cancel_token *token);

/**
 * Creates the built-in tokenizer of the published CodeGeeX checkpoints.
 */
codegeex_status codegeex_tokenizer_new(struct codegeex_tokenizer **tokenizer,
                                       struct codegeex_error **error);

/**
 * Opens a tokenizer: a file `tokenizer.json` or `tokenizer.model`, or a folder with one of them or with
 * `vocab.json`, `merges.txt` and `added_tokens.json`.
 */
codegeex_status codegeex_tokenizer_from_folder(const char *path,
                                               size_t path_len,
                                               struct codegeex_tokenizer **tokenizer,
                                               struct codegeex_error **error);

/**
 * Encodes a text to token ids. `special` is one of `CODEGEEX_SPECIAL_*`.
 *
 * `ids` receives an array of `ids_len` ids; free it with codegeex_free.
 */
codegeex_status codegeex_tokenizer_encode(const struct codegeex_tokenizer *tokenizer,
                                          const char *text,
                                          size_t text_len,
                                          int32_t special,
                                          uint32_t **ids,
                                          size_t *ids_len,
                                          struct codegeex_error **error);

/**
 * Decodes token ids to text. `invalid_utf8` is one of `CODEGEEX_INVALID_UTF8_*`: ids may end
 * inside a character.
 *
 * `text` receives `text_len` bytes followed by a NUL; free it with codegeex_free.
 */
codegeex_status codegeex_tokenizer_decode(const struct codegeex_tokenizer *tokenizer,
                                          const uint32_t *ids,
                                          size_t ids_len,
                                          int32_t invalid_utf8,
                                          char **text,
                                          size_t *text_len,
                                          struct codegeex_error **error);

/**
 * The bytes of a token, which may end inside a UTF-8 character.
 *
 * `bytes` receives an array of `bytes_len` bytes; free it with codegeex_free.
 */
codegeex_status codegeex_tokenizer_token_bytes(const struct codegeex_tokenizer *tokenizer,
                                               uint32_t id,
                                               uint8_t **bytes,
                                               size_t *bytes_len,
                                               struct codegeex_error **error);

/**
 * The vocabulary size: one more than the largest id; 0 for NULL.
 */
size_t codegeex_tokenizer_vocab_size(const struct codegeex_tokenizer *tokenizer);

/**
 * The end-of-text id; 0 for NULL.
 */
uint32_t codegeex_tokenizer_end_of_text(const struct codegeex_tokenizer *tokenizer);

/**
 * Frees a tokenizer. Models and decoders that use it remain valid. NULL is allowed.
 */
void codegeex_tokenizer_free(struct codegeex_tokenizer *tokenizer);

/**
 * Creates a decoder at the beginning of a text. `policy` is one of `CODEGEEX_INVALID_UTF8_*`.
 */
codegeex_status codegeex_decoder_new(const struct codegeex_tokenizer *tokenizer,
                                     int32_t policy,
                                     struct codegeex_decoder **decoder,
                                     struct codegeex_error **error);

/**
 * Adds an id and returns the newly finalized text, which may be empty.
 *
 * With CODEGEEX_INVALID_UTF8_REFUSE, invalid bytes are CODEGEEX_INVALID_UTF8. The decoder drops
 * them and can continue.
 *
 * `text` receives `text_len` bytes followed by a NUL; free it with codegeex_free.
 */
codegeex_status codegeex_decoder_push(struct codegeex_decoder *decoder,
                                      uint32_t id,
                                      char **text,
                                      size_t *text_len,
                                      struct codegeex_error **error);

/**
 * Whether bytes of an incomplete character are held back: 1 or 0; 0 for NULL.
 */
int32_t codegeex_decoder_is_pending(const struct codegeex_decoder *decoder);

/**
 * Ends the text. Incomplete bytes become U+FFFD or CODEGEEX_INVALID_UTF8, by the policy. The
 * decoder can then start another text.
 *
 * `text` receives `text_len` bytes followed by a NUL; free it with codegeex_free.
 */
codegeex_status codegeex_decoder_finish(struct codegeex_decoder *decoder,
                                        char **text,
                                        size_t *text_len,
                                        struct codegeex_error **error);

/**
 * Frees a decoder. NULL is allowed.
 */
void codegeex_decoder_free(struct codegeex_decoder *decoder);

/**
 * Creates options with the defaults: memory-mapped files, all cores, the fastest instruction set,
 * KV cache in FP32, no memory limit, the tokenizer of the checkpoint, no log.
 */
codegeex_status codegeex_open_options_new(struct codegeex_open_options **options,
                                          struct codegeex_error **error);

/**
 * Sets an option by key; key and value are text. A refused value changes nothing. The keys:
 *
 * - `memory`: How the files are loaded: map (memory-map: opening is nearly free, pages are read on
 *   first use; do not truncate the files meanwhile), copy (read into private memory) or lock
 *   (memory-map and mlock, within RLIMIT_MEMLOCK). Default: `map`.
 * - `threads`: Number of compute threads, including the calling thread; 0 means one for each core.
 *   Default: `0`.
 * - `isa`: Instruction set of the kernels, by name (see codegeex_cpu_tier_name); auto means the
 *   fastest. All give bit-identical results. Default: `auto`.
 * - `kv`: Format of the KV cache: f32 (as computed), f16, or int8 (with a scale for each token and
 *   head). Default: `f32`.
 * - `activations`: Precision of activations in quantized layers: int16 (a scale for each token),
 *   or int8 (a scale for each group of 256 inputs: faster for prompts and large batches, less
 *   exact). Default: `int16`.
 * - `memory_limit`: Limit of the KV cache over all sequences, in bytes; none means no limit.
 *   Exceeding it is CODEGEEX_OUT_OF_MEMORY. Default: `none`.
 * - `config`: Model configuration as JSON, for files without one; none means the configuration of
 *   the files. Default: `none`.
 */
codegeex_status codegeex_open_options_set(struct codegeex_open_options *options,
                                          const char *key,
                                          size_t key_len,
                                          const char *value,
                                          size_t value_len,
                                          struct codegeex_error **error);

/**
 * The value of an option as text, in the format of codegeex_open_options_set.
 *
 * `value` receives `value_len` bytes followed by a NUL; free it with codegeex_free.
 */
codegeex_status codegeex_open_options_get(const struct codegeex_open_options *options,
                                          const char *key,
                                          size_t key_len,
                                          char **value,
                                          size_t *value_len,
                                          struct codegeex_error **error);

/**
 * The key of an option by index, from 0; a static string. NULL past the last option. `help`,
 * unless NULL, receives a description of the option; a static string.
 */
const char *codegeex_open_options_key(size_t index, const char **help);

/**
 * How the files are loaded: one of `CODEGEEX_MEMORY_*`.
 */
codegeex_status codegeex_open_options_set_memory(struct codegeex_open_options *options,
                                                 int32_t memory,
                                                 struct codegeex_error **error);

/**
 * Number of compute threads, including the calling thread; 0 means one for each available core.
 */
codegeex_status codegeex_open_options_set_threads(struct codegeex_open_options *options,
                                                  size_t threads,
                                                  struct codegeex_error **error);

/**
 * The tokenizer of the model; NULL means the tokenizer beside the checkpoint, or else the built-in
 * tokenizer.
 */
codegeex_status codegeex_open_options_set_tokenizer(struct codegeex_open_options *options,
                                                    const struct codegeex_tokenizer *tokenizer,
                                                    struct codegeex_error **error);

/**
 * Log callback of the model that is opened with these options. It receives messages of `level`
 * (one of `CODEGEEX_LOG_*`) and more severe ones. NULL disables the log.
 *
 * `destroy`, unless NULL, is called with `userdata` when neither these options nor a model use it
 * any more, or immediately if this call fails.
 */
codegeex_status codegeex_open_options_set_log(struct codegeex_open_options *options,
                                              int32_t level,
                                              codegeex_log_callback callback,
                                              void *userdata,
                                              codegeex_destroy_callback destroy,
                                              struct codegeex_error **error);

/**
 * Frees options. NULL is allowed.
 */
void codegeex_open_options_free(struct codegeex_open_options *options);

/**
 * Opens a checkpoint: a `.pt` file, a folder of `mp_rank_*` shards, or safetensors. Unless the
 * options have a tokenizer, the one beside the checkpoint is used (`tokenizer.json`, `vocab.json` with
 * `merges.txt`, or `tokenizer.model`). Without one, CodeGeeX models have the built-in tokenizer, and
 * models of other families take ids and no text.
 *
 * `options`, `cancel` and `progress` may be NULL. `progress` is called with the bytes copied and
 * the total; both are 0 when all weights are used in place in mapped files.
 */
codegeex_status codegeex_model_open(const char *path,
                                    size_t path_len,
                                    const struct codegeex_open_options *options,
                                    const struct codegeex_cancel_token *cancel,
                                    codegeex_progress_callback progress,
                                    void *userdata,
                                    struct codegeex_model **model,
                                    struct codegeex_error **error);

/**
 * Fills `info`.
 */
codegeex_status codegeex_model_get_info(const struct codegeex_model *model,
                                        struct codegeex_model_info *info,
                                        struct codegeex_error **error);

/**
 * A one-line description of a model: sizes, backend, kernels, threads. NUL-terminated UTF-8; it
 * belongs to the model. NULL for NULL.
 */
const char *codegeex_model_describe(const struct codegeex_model *model, size_t *len);

/**
 * The configuration of a model as NUL-terminated JSON; it belongs to the model. NULL for NULL.
 */
const char *codegeex_model_config_json(const struct codegeex_model *model, size_t *len);

/**
 * The fill-in-the-middle format of a model's tokenizer, such as `starcoder` or `qwen2.5-coder`.
 * NUL-terminated; it belongs to the model. NULL for a model without one, whose samples are ranked by
 * the suffix instead, and for NULL.
 */
const char *codegeex_model_infill_format(const struct codegeex_model *model,
                                         size_t *len);

/**
 * The name of the instruction set that the kernels of a model use, a static string. NULL for NULL.
 */
const char *codegeex_model_kernels(const struct codegeex_model *model);

/**
 * Identifies a model and its weights. A model can restore states that a model with the same
 * fingerprint saved. It is computed on the first call, from a sample of the weights.
 */
codegeex_status codegeex_model_fingerprint(const struct codegeex_model *model,
                                           uint64_t *fingerprint,
                                           struct codegeex_error **error);

/**
 * The tokenizer of a model, as a new handle; free it with codegeex_tokenizer_free.
 */
codegeex_status codegeex_model_tokenizer(const struct codegeex_model *model,
                                         struct codegeex_tokenizer **tokenizer,
                                         struct codegeex_error **error);

/**
 * Frees a model. Sessions, states and services that use it remain valid; its threads end with the
 * last of them. NULL is allowed.
 */
void codegeex_model_free(struct codegeex_model *model);

/**
 * Estimates the memory that a checkpoint needs with these options, for `sequences` concurrent
 * sequences of `context_length` tokens each, without loading it. `options` may be NULL.
 */
codegeex_status codegeex_estimate_memory(const char *path,
                                         size_t path_len,
                                         const struct codegeex_open_options *options,
                                         size_t sequences,
                                         size_t context_length,
                                         struct codegeex_memory_estimate *result,
                                         struct codegeex_error **error);

/**
 * Completion of code, with the language tag in front.
 *
 * `task` receives a handle; free it with codegeex_task_free.
 */
codegeex_status codegeex_task_complete(const char *language,
                                       size_t language_len,
                                       const char *code,
                                       size_t code_len,
                                       struct codegeex_task **task,
                                       struct codegeex_error **error);

/**
 * Explanation of code: the same code with a comment before every line.
 *
 * `task` receives a handle; free it with codegeex_task_free.
 */
codegeex_status codegeex_task_explain(const char *language,
                                      size_t language_len,
                                      const char *code,
                                      size_t code_len,
                                      struct codegeex_task **task,
                                      struct codegeex_error **error);

/**
 * Documentation of a function or a type, in the usual form of the language.
 *
 * `task` receives a handle; free it with codegeex_task_free.
 */
codegeex_status codegeex_task_docstring(const char *language,
                                        size_t language_len,
                                        const char *code,
                                        size_t code_len,
                                        struct codegeex_task **task,
                                        struct codegeex_error **error);

/**
 * Translation of code into another language. `declaration` is the beginning of the translation. If
 * it is empty, the model chooses one.
 *
 * `task` receives a handle; free it with codegeex_task_free.
 */
codegeex_status codegeex_task_translate(const char *from,
                                        size_t from_len,
                                        const char *code,
                                        size_t code_len,
                                        const char *to,
                                        size_t to_len,
                                        const char *declaration,
                                        size_t declaration_len,
                                        struct codegeex_task **task,
                                        struct codegeex_error **error);

/**
 * A custom prompt from a template, see codegeex_template_expand. The template is the whole prompt,
 * including a language tag.
 *
 * `task` receives a handle; free it with codegeex_task_free.
 */
codegeex_status codegeex_task_custom(const char *template_,
                                     size_t template_len,
                                     const char *language,
                                     size_t language_len,
                                     const char *code,
                                     size_t code_len,
                                     struct codegeex_task **task,
                                     struct codegeex_error **error);

/**
 * The prompt. NUL-terminated UTF-8; it belongs to the task. NULL for NULL.
 */
const char *codegeex_task_prompt(const struct codegeex_task *task, size_t *len);

/**
 * The end of the prompt that belongs to the answer, such as the opening quotes of a docstring.
 * Show it before the completion. NUL-terminated UTF-8; it belongs to the task. NULL for NULL.
 */
const char *codegeex_task_lead(const struct codegeex_task *task, size_t *len);

/**
 * Text to append to a finished completion, such as the closing quotes. NUL-terminated UTF-8; it
 * belongs to the task. NULL for NULL.
 */
const char *codegeex_task_tail(const struct codegeex_task *task, size_t *len);

/**
 * The name of the language of the answer. NUL-terminated UTF-8; it belongs to the task. NULL for
 * NULL.
 */
const char *codegeex_task_language(const struct codegeex_task *task, size_t *len);

/**
 * Number of stop strings of a task; 0 for NULL.
 */
size_t codegeex_task_stops(const struct codegeex_task *task);

/**
 * A stop string of a task. NUL-terminated UTF-8; it belongs to the task. NULL for NULL or an index
 * out of range.
 */
const char *codegeex_task_stop(const struct codegeex_task *task, size_t index, size_t *len);

/**
 * Frees a task. NULL is allowed.
 */
void codegeex_task_free(struct codegeex_task *task);

/**
 * The number of languages, each of which has one name here and may have aliases.
 */
size_t codegeex_languages(void);

/**
 * The name of a language by index, from 0, such as `python`; a static string. NULL for an index
 * out of range.
 */
const char *codegeex_language_name(size_t index);

/**
 * The language tag by index, from 0, such as `# language: Python`; a static string. NULL for an
 * index out of range.
 */
const char *codegeex_language_tag(size_t index);

/**
 * The index of a language by its name or an alias, such as `cpp`; case is ignored.
 */
codegeex_status codegeex_language_find(const char *name,
                                       size_t name_len,
                                       size_t *index,
                                       struct codegeex_error **error);

/**
 * The prompt for completing code in a language, by its name: the language tag, then the code so
 * far.
 *
 * `prompt` receives `prompt_len` bytes followed by a NUL; free it with codegeex_free.
 */
codegeex_status codegeex_prompt_generation(const char *language,
                                           size_t language_len,
                                           const char *code,
                                           size_t code_len,
                                           char **prompt,
                                           size_t *prompt_len,
                                           struct codegeex_error **error);

/**
 * Replaces the placeholders of a template with an input: `<INPUT>` is the whole input,
 * `<INPUT:a,b>` its lines from a (inclusive) to b (exclusive).
 *
 * `prompt` receives `prompt_len` bytes followed by a NUL; free it with codegeex_free.
 */
codegeex_status codegeex_template_expand(const char *template_,
                                         size_t template_len,
                                         const char *input,
                                         size_t input_len,
                                         char **prompt,
                                         size_t *prompt_len,
                                         struct codegeex_error **error);

/**
 * Creates a code stop for a completion that follows `before`, the text left of the cursor.
 * `rules` is a comma-separated list of `line`, `block`, `function`, `unindented`, `humaneval`; the
 * first rule that matches ends the completion.
 *
 * `stop` receives a handle; free it with codegeex_code_stop_free.
 */
codegeex_status codegeex_code_stop_new(const char *language,
                                       size_t language_len,
                                       const char *rules,
                                       size_t rules_len,
                                       const char *before,
                                       size_t before_len,
                                       struct codegeex_code_stop **stop,
                                       struct codegeex_error **error);

/**
 * Adds a piece of the completion and returns the text that is certainly part of it, which may be
 * empty. `finish_reason` receives CODEGEEX_FINISH_NONE, or the `CODEGEEX_FINISH_END_OF_*` of the
 * rule that matched; text that is added after that is dropped.
 *
 * `text` receives `text_len` bytes followed by a NUL; free it with codegeex_free.
 */
codegeex_status codegeex_code_stop_push(struct codegeex_code_stop *stop,
                                        const char *piece,
                                        size_t piece_len,
                                        char **text,
                                        size_t *text_len,
                                        int32_t *finish_reason,
                                        struct codegeex_error **error);

/**
 * Ends the completion and returns the text that was held back, which may be empty.
 *
 * `text` receives `text_len` bytes followed by a NUL; free it with codegeex_free.
 */
codegeex_status codegeex_code_stop_finish(struct codegeex_code_stop *stop,
                                          char **text,
                                          size_t *text_len,
                                          struct codegeex_error **error);

/**
 * Frees a code stop. NULL is allowed.
 */
void codegeex_code_stop_free(struct codegeex_code_stop *stop);

/**
 * Where the first stop rule ends a whole completion: `len` receives the number of bytes to keep.
 * `finish_reason`, unless NULL, receives CODEGEEX_FINISH_NONE or the number of the rule. For
 * `rules` and `before`, see codegeex_code_stop_new.
 */
codegeex_status codegeex_code_cut(const char *language,
                                  size_t language_len,
                                  const char *rules,
                                  size_t rules_len,
                                  const char *before,
                                  size_t before_len,
                                  const char *completion,
                                  size_t completion_len,
                                  size_t *len,
                                  int32_t *finish_reason,
                                  struct codegeex_error **error);

/**
 * Where the scope of the cursor ends in a completion: `len` receives the number of bytes to keep.
 * `before` is the text left of the cursor.
 */
codegeex_status codegeex_code_cut_at_scope(const char *language,
                                           size_t language_len,
                                           const char *before,
                                           size_t before_len,
                                           const char *completion,
                                           size_t completion_len,
                                           size_t *len,
                                           struct codegeex_error **error);

/**
 * The part of a completion that the text after the cursor does not repeat: `len` receives the
 * number of bytes to keep. `before` and `after` are the texts left and right of the cursor.
 */
codegeex_status codegeex_code_without_overlap(const char *language,
                                              size_t language_len,
                                              const char *before,
                                              size_t before_len,
                                              const char *completion,
                                              size_t completion_len,
                                              const char *after,
                                              size_t after_len,
                                              size_t *len,
                                              struct codegeex_error **error);

/**
 * The indentation of a text: CODEGEEX_INDENT_TABS, a number of spaces from 1 to 16, or
 * CODEGEEX_INDENT_UNKNOWN.
 */
codegeex_status codegeex_code_indentation(const char *language,
                                          size_t language_len,
                                          const char *text,
                                          size_t text_len,
                                          int32_t *indentation,
                                          struct codegeex_error **error);

/**
 * A completion with the indentation of the file: CODEGEEX_INDENT_TABS or a number of spaces from 1
 * to 16. `before` is the text left of the cursor.
 *
 * `text` receives `text_len` bytes followed by a NUL; free it with codegeex_free.
 */
codegeex_status codegeex_code_reindent(const char *language,
                                       size_t language_len,
                                       int32_t indentation,
                                       const char *before,
                                       size_t before_len,
                                       const char *completion,
                                       size_t completion_len,
                                       char **text,
                                       size_t *text_len,
                                       struct codegeex_error **error);

/**
 * The candidates worth showing: neither blank nor equal to an earlier candidate, ignoring white
 * space at the end.
 *
 * `indices` receives `indices_len` ascending indices of candidates; free it with codegeex_free.
 */
codegeex_status codegeex_code_distinct(const struct codegeex_text *candidates,
                                       size_t candidates_len,
                                       size_t **indices,
                                       size_t *indices_len,
                                       struct codegeex_error **error);

/**
 * Ranks candidates by mean log-probability per token, best first. If all candidates have `suffix`,
 * its mean is added.
 *
 * `ranked` receives `ranked_len` elements; free it with codegeex_free.
 */
codegeex_status codegeex_code_rank(const struct codegeex_likelihood *candidates,
                                   size_t candidates_len,
                                   struct codegeex_ranked **ranked,
                                   size_t *ranked_len,
                                   struct codegeex_error **error);

/**
 * The tokens of source code: what is code, string or comment, and how many brackets and blocks are
 * open.
 *
 * `tokens` receives `tokens_len` elements; free it with codegeex_free.
 */
codegeex_status codegeex_code_scan(const char *language,
                                   size_t language_len,
                                   const char *text,
                                   size_t text_len,
                                   struct codegeex_code_token **tokens,
                                   size_t *tokens_len,
                                   struct codegeex_error **error);

/**
 * Creates options with the defaults: greedy, 128 new tokens, one sample, no stop strings.
 */
codegeex_status codegeex_generate_options_new(struct codegeex_generate_options **options,
                                              struct codegeex_error **error);

/**
 * Copies options.
 */
codegeex_status codegeex_generate_options_clone(const struct codegeex_generate_options *options,
                                                struct codegeex_generate_options **clone,
                                                struct codegeex_error **error);

/**
 * Sets an option by key; key and value are text. A refused value changes nothing. The keys:
 *
 * - `max_new_tokens`: Maximum number of new tokens. Default: `128`.
 * - `temperature`: Sampling temperature; 0 means greedy. Default: `0`.
 * - `top_k`: Top-k sampling: keep the k most likely tokens; 0 disables it. Default: `0`.
 * - `top_p`: Top-p (nucleus) sampling: probability mass of the most likely tokens to keep; 1
 *   disables it. Default: `1`.
 * - `min_p`: Min-p sampling: keep tokens at least this value times as likely as the top one; 0
 *   disables it. Default: `0`.
 * - `typical_p`: Typical-p sampling: probability mass of the most typical tokens to keep; 1
 *   disables it. Default: `1`.
 * - `repetition_penalty`: Repetition penalty, for ids in the prompt or the generated text; 1
 *   disables it. Default: `1`.
 * - `presence_penalty`: Presence penalty: subtracted once from the logits of generated ids; 0
 *   disables it. Default: `0`.
 * - `frequency_penalty`: Frequency penalty: subtracted from an id's logit for each occurrence; 0
 *   disables it. Default: `0`.
 * - `logit_bias`: Logit bias, as a JSON object of ids and values to add: {"198": -2.5}; null bans
 *   an id. Default: `{}`.
 * - `banned_ids`: Ids that are never sampled, as a JSON array of numbers. Default: `[]`.
 * - `seed`: Random seed. Default: `0`.
 * - `samples`: Number of completions of the prompt, 1 to 1024; the prompt is computed once.
 *   Default: `1`.
 * - `first_sample`: Index of the first sample, for the random numbers. Default: `0`.
 * - `stop`: Stop strings, as a JSON array; they are not part of the completion. Default: `[]`.
 * - `stop_at`: Where code ends a completion: none, or a language and rules, as in
 *   go:block,function; rules are line, block, function, unindented, humaneval; the first that
 *   matches ends the completion. Default: `none`.
 * - `stop_before`: Code left of the cursor, for stop_at, as a JSON string; none means the prompt.
 *   Default: `none`.
 * - `stop_ids`: Token ids that end a completion as the end of text does, as a JSON array of
 *   numbers. Default: `[]`.
 * - `suffix`: Fill-in-the-middle: the text after the cursor, as a JSON string; the prompt is
 *   the text before it. Models without fill-in-the-middle rank the samples by it. none means
 *   an ordinary completion, unless another option of fill-in-the-middle is set. Default:
 *   `none`.
 * - `infill_order`: Fill-in-the-middle: the order of the prompt, psm (prefix, suffix, middle),
 *   spm (suffix, prefix, middle), or auto for the one that the model prefers. Default: `auto`.
 * - `path`: Fill-in-the-middle: path of the current file, as a JSON string; none means
 *   unknown. Default: `none`.
 * - `repository`: Fill-in-the-middle: name of the repository, as a JSON string; none means
 *   unknown. It needs path. Default: `none`.
 * - `files`: Fill-in-the-middle: other files of the repository, the most important last, as a
 *   JSON array: [{"path": "a.py", "text": "x = 1"}]. It needs path. Default: `[]`.
 * - `infill_language`: Fill-in-the-middle: language of the current file, by name, for models
 *   whose format names it; none means unknown. Default: `none`.
 * - `heal`: Token healing: re-samples the last tokens of the prompt among those that match its
 *   bytes, so that a prompt may end inside a word; true or false. Default: `false`.
 * - `special_tokens`: How special tokens in the prompt, such as <|endoftext|>, are encoded: text
 *   (as plain text) or parse (as the tokens that they name). Default: `text`.
 * - `top_logprobs`: Reports the N most likely tokens at each position, before sampling. Default:
 *   `0`.
 * - `speculation`: Speculative decoding by prompt lookup: off, lookup, or lookup:N for up to N
 *   draft tokens per step. It changes latency, never the output. Default: `off`.
 * - `timeout_ms`: Timeout in milliseconds, after which the call returns the partial result; 0
 *   means none. Default: `0`.
 * - `prefill_limit`: Maximum number of prompt tokens to compute, without cached ones; none means
 *   no limit. Default: `none`.
 * - `threads`: Maximum number of compute threads; 0 means all threads of the model. Default: `0`.
 */
codegeex_status codegeex_generate_options_set(struct codegeex_generate_options *options,
                                              const char *key,
                                              size_t key_len,
                                              const char *value,
                                              size_t value_len,
                                              struct codegeex_error **error);

/**
 * The value of an option as text, in the format of codegeex_generate_options_set.
 *
 * `value` receives `value_len` bytes followed by a NUL; free it with codegeex_free.
 */
codegeex_status codegeex_generate_options_get(const struct codegeex_generate_options *options,
                                              const char *key,
                                              size_t key_len,
                                              char **value,
                                              size_t *value_len,
                                              struct codegeex_error **error);

/**
 * The key of an option by index, from 0; a static string. NULL past the last option. `help`,
 * unless NULL, receives a description of the option; a static string.
 */
const char *codegeex_generate_options_key(size_t index, const char **help);

/**
 * Maximum number of new tokens.
 */
codegeex_status codegeex_generate_options_set_max_new_tokens(struct codegeex_generate_options *options,
                                                             size_t max_new_tokens,
                                                             struct codegeex_error **error);

/**
 * Sampling temperature; 0 means greedy, which ignores top-k, top-p, min-p, typical-p and the seed.
 */
codegeex_status codegeex_generate_options_set_temperature(struct codegeex_generate_options *options,
                                                          float temperature,
                                                          struct codegeex_error **error);

/**
 * Top-p (nucleus) sampling: keep the most likely tokens whose probabilities add up to this value,
 * above 0 and up to 1; 1 disables it.
 */
codegeex_status codegeex_generate_options_set_top_p(struct codegeex_generate_options *options,
                                                    float top_p,
                                                    struct codegeex_error **error);

/**
 * Random seed. The random numbers depend only on it, the index of the sample and the index of the
 * token.
 */
codegeex_status codegeex_generate_options_set_seed(struct codegeex_generate_options *options,
                                                   uint64_t seed,
                                                   struct codegeex_error **error);

/**
 * Adds a stop string. It is not part of the completion's text.
 */
codegeex_status codegeex_generate_options_add_stop(struct codegeex_generate_options *options,
                                                   const char *text,
                                                   size_t text_len,
                                                   struct codegeex_error **error);

/**
 * Fill-in-the-middle: the text after the cursor. The prompt of the call is the text before it.
 * Models without fill-in-the-middle rank the samples by the suffix, best first.
 */
codegeex_status codegeex_generate_options_set_suffix(struct codegeex_generate_options *options,
                                                     const char *suffix,
                                                     size_t suffix_len,
                                                     struct codegeex_error **error);

/**
 * Fill-in-the-middle: adds another file of the repository, the most important last. The path of the
 * current file, the option `path`, must be set as well.
 */
codegeex_status codegeex_generate_options_add_file(struct codegeex_generate_options *options,
                                                   const char *path,
                                                   size_t path_len,
                                                   const char *text,
                                                   size_t text_len,
                                                   struct codegeex_error **error);

/**
 * Adds the stop strings of a task.
 */
codegeex_status codegeex_generate_options_add_task_stops(struct codegeex_generate_options *options,
                                                         const struct codegeex_task *task,
                                                         struct codegeex_error **error);

/**
 * Speculative decoding with a draft model that has the same vocabulary: up to `tokens` draft
 * tokens per step; 0 disables it. It changes latency, never the output. The options keep the draft
 * model alive.
 */
codegeex_status codegeex_generate_options_set_speculation_model(struct codegeex_generate_options *options,
                                                                const struct codegeex_model *draft,
                                                                size_t tokens,
                                                                struct codegeex_error **error);

/**
 * Frees options. NULL is allowed.
 */
void codegeex_generate_options_free(struct codegeex_generate_options *options);

/**
 * Adds a sampler callback. Samplers run in the order in which they were added: after banned ids,
 * logit bias and penalties, before temperature, top-k, top-p, min-p and typical-p, and also with
 * greedy decoding. Beam search has no samplers.
 *
 * `destroy`, unless NULL, is called with `userdata` when neither these options, their copies nor a
 * call use it any more, or immediately if this call fails.
 */
codegeex_status codegeex_generate_options_add_sampler(struct codegeex_generate_options *options,
                                                      codegeex_sampler_callback callback,
                                                      void *userdata,
                                                      codegeex_destroy_callback destroy,
                                                      struct codegeex_error **error);

/**
 * The name of a reason: `end_of_text`, `stop`, `length`, `context_full`, `cancelled`, `deadline`,
 * `prefill_limit`, and for stop rules for code `end_of_line`, `end_of_block`, `end_of_function`,
 * `unindented_line`, `humaneval`; a static string. `none` for CODEGEEX_FINISH_NONE, `other` for an
 * unknown number.
 */
const char *codegeex_finish_reason_name(int32_t reason);

/**
 * Number of completions; 0 for NULL.
 */
size_t codegeex_completions_count(const struct codegeex_completions *completions);

/**
 * The text of a completion, NUL-terminated UTF-8, without the stop string that ended it. It
 * belongs to the completions. NULL for NULL or an index out of range.
 */
const char *codegeex_completions_text(const struct codegeex_completions *completions,
                                      size_t index,
                                      size_t *len);

/**
 * The tokens of a completion, including those of the stop string and the end of text. They belong
 * to the completions. NULL for NULL or an index out of range.
 */
const uint32_t *codegeex_completions_ids(const struct codegeex_completions *completions,
                                         size_t index,
                                         size_t *len);

/**
 * The log-probability of each token of a completion under the model, before sampling. They belong
 * to the completions. NULL for NULL or an index out of range.
 */
const float *codegeex_completions_logprobs(const struct codegeex_completions *completions,
                                           size_t index,
                                           size_t *len);

/**
 * The most likely tokens at the position of token `token` of a completion, best first, as many as
 * `top_logprobs` of the options. They belong to the completions. NULL for NULL, for an index out
 * of range, and if none were requested.
 */
const struct codegeex_token_logprob *codegeex_completions_top_logprobs(const struct codegeex_completions *completions,
                                                                       size_t index,
                                                                       size_t token,
                                                                       size_t *len);

/**
 * The finish reason of a completion: one of `CODEGEEX_FINISH_*`; CODEGEEX_FINISH_NONE for NULL or
 * an index out of range.
 */
int32_t codegeex_completions_finish_reason(const struct codegeex_completions *completions,
                                           size_t index);

/**
 * The index in the options of the stop string that ended a completion; SIZE_MAX if none did.
 */
size_t codegeex_completions_stop_index(const struct codegeex_completions *completions,
                                       size_t index);

/**
 * The score of a beam by the rules of the search; for a sample, the sum of its log-probabilities.
 * 0 for NULL or an index out of range.
 */
double codegeex_completions_score(const struct codegeex_completions *completions, size_t index);

/**
 * Number of draft tokens proposed by speculative decoding; 0 for NULL or an index out of range.
 */
size_t codegeex_completions_drafted(const struct codegeex_completions *completions, size_t index);

/**
 * Number of draft tokens accepted by the model; 0 for NULL or an index out of range.
 */
size_t codegeex_completions_accepted(const struct codegeex_completions *completions, size_t index);

/**
 * With token healing: number of bytes of the prompt that the first tokens of a completion cover.
 * The text begins after them. 0 for NULL or an index out of range.
 */
size_t codegeex_completions_healed(const struct codegeex_completions *completions, size_t index);

/**
 * Frees completions and all data that belongs to them. NULL is allowed.
 */
void codegeex_completions_free(struct codegeex_completions *completions);

/**
 * Completes a prompt and reports every token as it is sampled.
 *
 * `options`, `cancel`, `callback` and `completions` may be NULL. When the callback returns
 * nonzero, or `cancel` is set by any thread, the call succeeds with the partial result, and the
 * finish reason is CODEGEEX_FINISH_CANCELLED. `completions` receives a handle; free it with
 * codegeex_completions_free.
 */
codegeex_status codegeex_model_generate(const struct codegeex_model *model,
                                        const char *prompt,
                                        size_t prompt_len,
                                        const struct codegeex_generate_options *options,
                                        const struct codegeex_cancel_token *cancel,
                                        codegeex_event_callback callback,
                                        void *userdata,
                                        struct codegeex_completions **completions,
                                        struct codegeex_error **error);

/**
 * Like codegeex_model_generate, for a prompt of ids.
 */
codegeex_status codegeex_model_generate_from(const struct codegeex_model *model,
                                             const uint32_t *prompt,
                                             size_t prompt_len,
                                             const struct codegeex_generate_options *options,
                                             const struct codegeex_cancel_token *cancel,
                                             codegeex_event_callback callback,
                                             void *userdata,
                                             struct codegeex_completions **completions,
                                             struct codegeex_error **error);

/**
 * Creates options with the defaults: four beams, 128 new tokens, the rules of the CodeGeeX
 * reference, no stop strings.
 */
codegeex_status codegeex_beam_options_new(struct codegeex_beam_options **options,
                                          struct codegeex_error **error);

/**
 * Sets an option by key; key and value are text. A refused value changes nothing. The keys:
 *
 * - `num_beams`: Number of beams, which is also the maximum number of results, 1 to 1024. Default:
 *   `4`.
 * - `max_new_tokens`: Maximum number of new tokens. Default: `128`.
 * - `rules`: How beams are scored: reference (the CodeGeeX reference; the score is the sum of the
 *   log-probabilities) or hugging_face (generate in transformers). Default: `reference`.
 * - `length_penalty`: Length penalty of the hugging_face rules: scores are divided by length to
 *   this power, -64 to 64. Default: `1`.
 * - `early_stopping`: Early stopping of the hugging_face rules, as in transformers: no (stops when
 *   the best running beam scores no better than the worst finished one), yes (stops as soon as
 *   num_beams beams have finished) or never (stops when no running beam can improve the result).
 *   Default: `no`.
 * - `banned_ids`: Ids that are excluded from all beams, as a JSON array of numbers. Default: `[]`.
 * - `stop`: Stop strings, as a JSON array; they are not part of the completion. Default: `[]`.
 * - `stop_at`: Where code ends a completion: none, or a language and rules, as in
 *   go:block,function; rules are line, block, function, unindented, humaneval; the first that
 *   matches ends the completion. Default: `none`.
 * - `stop_before`: Code left of the cursor, for stop_at, as a JSON string; none means the prompt.
 *   Default: `none`.
 * - `stop_ids`: Token ids that end a completion as the end of text does, as a JSON array of
 *   numbers. Default: `[]`.
 * - `special_tokens`: How special tokens in the prompt, such as <|endoftext|>, are encoded: text
 *   (as plain text) or parse (as the tokens that they name). Default: `text`.
 * - `timeout_ms`: Timeout in milliseconds, after which the call returns the partial result; 0
 *   means none. Default: `0`.
 * - `prefill_limit`: Maximum number of prompt tokens to compute, without cached ones; none means
 *   no limit. Default: `none`.
 * - `threads`: Maximum number of compute threads; 0 means all threads of the model. Default: `0`.
 */
codegeex_status codegeex_beam_options_set(struct codegeex_beam_options *options,
                                          const char *key,
                                          size_t key_len,
                                          const char *value,
                                          size_t value_len,
                                          struct codegeex_error **error);

/**
 * The value of an option as text, in the format of codegeex_beam_options_set.
 *
 * `value` receives `value_len` bytes followed by a NUL; free it with codegeex_free.
 */
codegeex_status codegeex_beam_options_get(const struct codegeex_beam_options *options,
                                          const char *key,
                                          size_t key_len,
                                          char **value,
                                          size_t *value_len,
                                          struct codegeex_error **error);

/**
 * The key of an option by index, from 0; a static string. NULL past the last option. `help`,
 * unless NULL, receives a description of the option; a static string.
 */
const char *codegeex_beam_options_key(size_t index, const char **help);

/**
 * Frees options. NULL is allowed.
 */
void codegeex_beam_options_free(struct codegeex_beam_options *options);

/**
 * Beam search: returns at most `num_beams` completions of a prompt, best first. If `cancel` is
 * set, the result is the current beams.
 *
 * `options` and `cancel` may be NULL. `beams` receives a handle; free it with
 * codegeex_completions_free.
 */
codegeex_status codegeex_model_beam_search(const struct codegeex_model *model,
                                           const char *prompt,
                                           size_t prompt_len,
                                           const struct codegeex_beam_options *options,
                                           const struct codegeex_cancel_token *cancel,
                                           struct codegeex_completions **beams,
                                           struct codegeex_error **error);

/**
 * Like codegeex_model_beam_search, for a prompt of ids.
 */
codegeex_status codegeex_model_beam_search_from(const struct codegeex_model *model,
                                                const uint32_t *prompt,
                                                size_t prompt_len,
                                                const struct codegeex_beam_options *options,
                                                const struct codegeex_cancel_token *cancel,
                                                struct codegeex_completions **beams,
                                                struct codegeex_error **error);

/**
 * Log-probabilities of given tokens, and the `top` most likely next tokens. `cancel` may be NULL.
 * A cancelled call returns CODEGEEX_CANCELLED.
 *
 * `score` receives a handle; free it with codegeex_score_free.
 */
codegeex_status codegeex_model_score(const struct codegeex_model *model,
                                     const uint32_t *ids,
                                     size_t ids_len,
                                     size_t top,
                                     const struct codegeex_cancel_token *cancel,
                                     struct codegeex_score **score,
                                     struct codegeex_error **error);

/**
 * The log-probability of each token given those before it; NaN for the first. They belong to the
 * score. NULL for NULL.
 */
const float *codegeex_score_logprobs(const struct codegeex_score *score, size_t *len);

/**
 * The most likely next tokens, best first. They belong to the score. NULL for NULL.
 */
const struct codegeex_token_logprob *codegeex_score_top(const struct codegeex_score *score,
                                                        size_t *len);

/**
 * Frees a score. NULL is allowed.
 */
void codegeex_score_free(struct codegeex_score *score);

/**
 * Perplexity of two or more tokens, in windows of the context length: the exponential of the mean
 * negative log-probability.
 *
 * `cancel` and `progress` may be NULL; `progress` is called with tokens. `value` receives the
 * perplexity, `log_probability` the sum of log-probabilities, `tokens` the number of predicted
 * tokens; the last two may be NULL. A cancelled call returns CODEGEEX_CANCELLED.
 */
codegeex_status codegeex_model_perplexity(const struct codegeex_model *model,
                                          const uint32_t *ids,
                                          size_t ids_len,
                                          const struct codegeex_cancel_token *cancel,
                                          codegeex_progress_callback progress,
                                          void *userdata,
                                          double *value,
                                          double *log_probability,
                                          size_t *tokens,
                                          struct codegeex_error **error);

/**
 * Creates an empty session. It keeps the model alive.
 */
codegeex_status codegeex_session_new(const struct codegeex_model *model,
                                     struct codegeex_session **session,
                                     struct codegeex_error **error);

/**
 * Completes a prompt, as codegeex_model_generate does. Afterwards the session holds the prompt and
 * the first sample.
 */
codegeex_status codegeex_session_generate(struct codegeex_session *session,
                                          const char *prompt,
                                          size_t prompt_len,
                                          const struct codegeex_generate_options *options,
                                          const struct codegeex_cancel_token *cancel,
                                          codegeex_event_callback callback,
                                          void *userdata,
                                          struct codegeex_completions **completions,
                                          struct codegeex_error **error);

/**
 * Like codegeex_session_generate, for a prompt of ids.
 */
codegeex_status codegeex_session_generate_from(struct codegeex_session *session,
                                               const uint32_t *prompt,
                                               size_t prompt_len,
                                               const struct codegeex_generate_options *options,
                                               const struct codegeex_cancel_token *cancel,
                                               codegeex_event_callback callback,
                                               void *userdata,
                                               struct codegeex_completions **completions,
                                               struct codegeex_error **error);

/**
 * The tokens in the KV cache.
 *
 * `ids` receives an array of `ids_len` ids; free it with codegeex_free.
 */
codegeex_status codegeex_session_ids(const struct codegeex_session *session,
                                     uint32_t **ids,
                                     size_t *ids_len,
                                     struct codegeex_error **error);

/**
 * Number of tokens of the last prompt that were reused from the cache; 0 for NULL and while a call
 * runs.
 */
size_t codegeex_session_reused(const struct codegeex_session *session);

/**
 * Number of tokens of the last prompt that were computed; 0 for NULL and while a call runs.
 */
size_t codegeex_session_computed(const struct codegeex_session *session);

/**
 * Size of the KV cache in bytes; 0 for NULL and while a call runs.
 */
size_t codegeex_session_bytes(const struct codegeex_session *session);

/**
 * Truncates to the first `tokens` tokens. A larger number changes nothing.
 */
codegeex_status codegeex_session_truncate(struct codegeex_session *session,
                                          size_t tokens,
                                          struct codegeex_error **error);

/**
 * Saves the session to a file. The write is atomic, and only the owner can read the file.
 */
codegeex_status codegeex_session_save_file(const struct codegeex_session *session,
                                           const char *path,
                                           size_t path_len,
                                           struct codegeex_error **error);

/**
 * Saves the session to memory.
 *
 * `bytes` receives an array of `bytes_len` bytes; free it with codegeex_free.
 */
codegeex_status codegeex_session_save(const struct codegeex_session *session,
                                      uint8_t **bytes,
                                      size_t *bytes_len,
                                      struct codegeex_error **error);

/**
 * Restores a session from a file that a model with the same fingerprint saved. It continues with
 * bit-identical results.
 *
 * `session` receives a handle; free it with codegeex_session_free.
 */
codegeex_status codegeex_session_restore_file(const struct codegeex_model *model,
                                              const char *path,
                                              size_t path_len,
                                              struct codegeex_session **session,
                                              struct codegeex_error **error);

/**
 * Restores a session from memory, like codegeex_session_restore_file from a file.
 */
codegeex_status codegeex_session_restore(const struct codegeex_model *model,
                                         const uint8_t *bytes,
                                         size_t bytes_len,
                                         struct codegeex_session **session,
                                         struct codegeex_error **error);

/**
 * Frees a session. NULL is allowed.
 */
void codegeex_session_free(struct codegeex_session *session);

/**
 * Creates options with the defaults: at most 64 tokens, token healing, all post-processing.
 */
codegeex_status codegeex_edit_options_new(struct codegeex_edit_options **options,
                                          struct codegeex_error **error);

/**
 * Sets an option by key; key and value are text. A refused value changes nothing. The keys:
 *
 * - `clip_step`: Step in tokens by which the beginning of the visible text moves, approximately.
 *   Default: `512`.
 * - `reindent`: Re-indent suggestions to the style of the file: true or false. Default: `true`.
 * - `cut_at_scope`: Cut suggestions at the end of the cursor's scope: true or false. Default:
 *   `true`.
 * - `without_overlap`: Remove text that already follows the cursor: true or false. Default:
 *   `true`.
 * - `distinct`: Remove duplicate suggestions: true or false. Default: `true`.
 * - `rank`: Rank suggestions by log-probability: true or false. Default: `true`.
 * - `suffix_tokens`: Maximum number of tokens after the cursor used for ranking. Default: `32`.
 * - `infill`: Fill-in-the-middle: the model sees the text after the cursor, where it has
 *   fill-in-the-middle: true or false. Default: `true`.
 * - `infill_suffix_tokens`: Maximum number of tokens after the cursor in a fill-in-the-middle
 *   prompt; at most a quarter of the context length. Default: `256`.
 */
codegeex_status codegeex_edit_options_set(struct codegeex_edit_options *options,
                                          const char *key,
                                          size_t key_len,
                                          const char *value,
                                          size_t value_len,
                                          struct codegeex_error **error);

/**
 * The value of an option as text, in the format of codegeex_edit_options_set.
 *
 * `value` receives `value_len` bytes followed by a NUL; free it with codegeex_free.
 */
codegeex_status codegeex_edit_options_get(const struct codegeex_edit_options *options,
                                          const char *key,
                                          size_t key_len,
                                          char **value,
                                          size_t *value_len,
                                          struct codegeex_error **error);

/**
 * The key of an option by index, from 0; a static string. NULL past the last option. `help`,
 * unless NULL, receives a description of the option; a static string.
 */
const char *codegeex_edit_options_key(size_t index, const char **help);

/**
 * How suggestions are generated, instead of at most 64 tokens with token healing. Special tokens
 * in the text are always encoded as plain text. Options of fill-in-the-middle must be unset: the
 * session has the text after the cursor.
 */
codegeex_status codegeex_edit_options_set_generate(struct codegeex_edit_options *options,
                                                   const struct codegeex_generate_options *generate,
                                                   struct codegeex_error **error);

/**
 * Frees options. NULL is allowed.
 */
void codegeex_edit_options_free(struct codegeex_edit_options *options);

/**
 * Creates an edit session for a language, by its name. `options` may be NULL.
 *
 * `session` receives a handle; free it with codegeex_edit_session_free.
 */
codegeex_status codegeex_edit_session_new(const struct codegeex_model *model,
                                          const char *language,
                                          size_t language_len,
                                          const struct codegeex_edit_options *options,
                                          struct codegeex_edit_session **session,
                                          struct codegeex_error **error);

/**
 * Sets the current text before and after the cursor. Does not run the model. `update` may be NULL.
 */
codegeex_status codegeex_edit_session_update(struct codegeex_edit_session *session,
                                             const char *before,
                                             size_t before_len,
                                             const char *after,
                                             size_t after_len,
                                             struct codegeex_edit_update *update,
                                             struct codegeex_error **error);

/**
 * Suggests text at the cursor: earlier suggestions that still match the text, or else new ones
 * from the model. The callback receives the tokens as they are sampled, before post-processing. If
 * cancelled, it returns the partial result.
 *
 * `cancel` and `callback` may be NULL. `count` receives the number of suggestions, best first;
 * read them with codegeex_edit_session_suggestion.
 */
codegeex_status codegeex_edit_session_suggest(struct codegeex_edit_session *session,
                                              const struct codegeex_cancel_token *cancel,
                                              codegeex_event_callback callback,
                                              void *userdata,
                                              size_t *count,
                                              struct codegeex_error **error);

/**
 * Number of suggestions that match the current text; 0 for NULL and while a call runs.
 */
size_t codegeex_edit_session_suggestions(const struct codegeex_edit_session *session);

/**
 * The part of a suggestion, by index from 0, that is not typed or accepted yet.
 *
 * `text` receives `text_len` bytes followed by a NUL; free it with codegeex_free.
 */
codegeex_status codegeex_edit_session_suggestion(const struct codegeex_edit_session *session,
                                                 size_t index,
                                                 char **text,
                                                 size_t *text_len,
                                                 struct codegeex_error **error);

/**
 * Accepts the best suggestion or a part of it, one of `CODEGEEX_ACCEPT_*`, as if it were typed.
 *
 * `text` receives the `text_len` inserted bytes, none if there is no suggestion, followed by a
 * NUL; free it with codegeex_free.
 */
codegeex_status codegeex_edit_session_accept(struct codegeex_edit_session *session,
                                             int32_t accept,
                                             char **text,
                                             size_t *text_len,
                                             struct codegeex_error **error);

/**
 * Drops the suggestions. The next call computes new ones.
 */
codegeex_status codegeex_edit_session_dismiss(struct codegeex_edit_session *session,
                                              struct codegeex_error **error);

/**
 * Frees an edit session. NULL is allowed.
 */
void codegeex_edit_session_free(struct codegeex_edit_session *session);

/**
 * Creates an empty state.
 */
codegeex_status codegeex_state_new(const struct codegeex_model *model,
                                   struct codegeex_state **state,
                                   struct codegeex_error **error);

/**
 * Prefill: processes any number of prompt tokens, in chunks, without logits. Pass the last token
 * to codegeex_state_decode.
 *
 * After an error the state holds the chunks that were processed before it. `cancel` may be NULL.
 */
codegeex_status codegeex_state_prefill(struct codegeex_state *state,
                                       const uint32_t *ids,
                                       size_t ids_len,
                                       const struct codegeex_cancel_token *cancel,
                                       struct codegeex_error **error);

/**
 * Processes one or more tokens and returns logits; `wanted` is one of `CODEGEEX_LOGITS_*`. The
 * logits are bit-identical for any chunking of the tokens. After an error the state is unchanged.
 *
 * `cancel` may be NULL. `logits` receives a handle, without rows if no logits are wanted; free it
 * with codegeex_logits_free.
 */
codegeex_status codegeex_state_decode(struct codegeex_state *state,
                                      const uint32_t *ids,
                                      size_t ids_len,
                                      int32_t wanted,
                                      const struct codegeex_cancel_token *cancel,
                                      struct codegeex_logits **logits,
                                      struct codegeex_error **error);

/**
 * Batched decode: processes one token for each of several states of one model, reading the weights
 * once: `ids[i]` for state `i`. The states must be distinct.
 *
 * `cancel` may be NULL. `logits` receives a handle whose row `i` is for `ids[i]`; free it with
 * codegeex_logits_free. After an error all states are unchanged.
 */
codegeex_status codegeex_states_decode(struct codegeex_state *const *states,
                                       const uint32_t *ids,
                                       size_t states_len,
                                       const struct codegeex_cancel_token *cancel,
                                       struct codegeex_logits **logits,
                                       struct codegeex_error **error);

/**
 * Number of tokens in a state, which is the position of the next one; 0 for NULL and while a call
 * runs.
 */
size_t codegeex_state_len(const struct codegeex_state *state);

/**
 * Size in bytes, including memory shared with forks; 0 for NULL and while a call runs.
 */
size_t codegeex_state_bytes(const struct codegeex_state *state);

/**
 * Truncates to the first `tokens` tokens. A larger number changes nothing.
 */
codegeex_status codegeex_state_truncate(struct codegeex_state *state,
                                        size_t tokens,
                                        struct codegeex_error **error);

/**
 * Copies a state. Memory is shared until one of the two processes new tokens.
 *
 * `fork` receives a handle; free it with codegeex_state_free.
 */
codegeex_status codegeex_state_fork(const struct codegeex_state *state,
                                    struct codegeex_state **fork,
                                    struct codegeex_error **error);

/**
 * Saves a state to memory.
 *
 * `bytes` receives an array of `bytes_len` bytes; free it with codegeex_free.
 */
codegeex_status codegeex_state_save(const struct codegeex_state *state,
                                    uint8_t **bytes,
                                    size_t *bytes_len,
                                    struct codegeex_error **error);

/**
 * Restores a state from memory that a model with the same fingerprint saved. It continues with
 * bit-identical results.
 *
 * `state` receives a handle; free it with codegeex_state_free.
 */
codegeex_status codegeex_state_restore(const struct codegeex_model *model,
                                       const uint8_t *bytes,
                                       size_t bytes_len,
                                       struct codegeex_state **state,
                                       struct codegeex_error **error);

/**
 * Frees a state. NULL is allowed.
 */
void codegeex_state_free(struct codegeex_state *state);

/**
 * Number of rows; 0 for NULL.
 */
size_t codegeex_logits_rows(const struct codegeex_logits *logits);

/**
 * Number of logits per row; 0 for NULL.
 */
size_t codegeex_logits_vocab_size(const struct codegeex_logits *logits);

/**
 * A row of logits. They belong to the handle. NULL for NULL or a row out of range.
 */
const float *codegeex_logits_row(const struct codegeex_logits *logits, size_t row, size_t *len);

/**
 * The log-probability of an id given a row of logits.
 */
codegeex_status codegeex_logits_log_probability(const struct codegeex_logits *logits,
                                                size_t row,
                                                uint32_t id,
                                                float *logprob,
                                                struct codegeex_error **error);

/**
 * The `count` most likely ids of a row with their log-probabilities, best first.
 *
 * `top` receives an array of `top_len` pairs; free it with codegeex_free.
 */
codegeex_status codegeex_logits_top(const struct codegeex_logits *logits,
                                    size_t row,
                                    size_t count,
                                    struct codegeex_token_logprob **top,
                                    size_t *top_len,
                                    struct codegeex_error **error);

/**
 * Frees logits. NULL is allowed.
 */
void codegeex_logits_free(struct codegeex_logits *logits);

/**
 * Creates options with the defaults: element types unchanged, no quantization, no overwriting.
 */
codegeex_status codegeex_convert_options_new(struct codegeex_convert_options **options,
                                             struct codegeex_error **error);

/**
 * Sets an option by key; key and value are text. A refused value changes nothing. The keys:
 *
 * - `dtype`: Element type of tensors that are not quantized: keep, f32, f16 or bf16. Default:
 *   `keep`.
 * - `quantize`: Quantization of the linear layers: none, int8 or int4. Default: `none`.
 * - `quantize_head`: Quantize the word embedding, which is also the LM head, to INT8: true or
 *   false. Default: `false`.
 * - `threads`: Number of threads for quantization; 0 means one for each core. Default: `0`.
 * - `overwrite`: Whether an existing file may be replaced: true or false. Default: `false`.
 */
codegeex_status codegeex_convert_options_set(struct codegeex_convert_options *options,
                                             const char *key,
                                             size_t key_len,
                                             const char *value,
                                             size_t value_len,
                                             struct codegeex_error **error);

/**
 * The value of an option as text, in the format of codegeex_convert_options_set.
 *
 * `value` receives `value_len` bytes followed by a NUL; free it with codegeex_free.
 */
codegeex_status codegeex_convert_options_get(const struct codegeex_convert_options *options,
                                             const char *key,
                                             size_t key_len,
                                             char **value,
                                             size_t *value_len,
                                             struct codegeex_error **error);

/**
 * The key of an option by index, from 0; a static string. NULL past the last option. `help`,
 * unless NULL, receives a description of the option; a static string.
 */
const char *codegeex_convert_options_key(size_t index, const char **help);

/**
 * Frees options. NULL is allowed.
 */
void codegeex_convert_options_free(struct codegeex_convert_options *options);

/**
 * Converts a checkpoint of any supported format to one safetensors file, with optional
 * quantization. A call that fails or is cancelled (CODEGEEX_CANCELLED) leaves `out` unchanged.
 *
 * `open_options`, `options`, `cancel` and `progress` may be NULL. Of `open_options`, only memory
 * and configuration are used. `progress` is called with the bytes written and the total.
 */
codegeex_status codegeex_convert(const char *path,
                                 size_t path_len,
                                 const struct codegeex_open_options *open_options,
                                 const char *out,
                                 size_t out_len,
                                 const struct codegeex_convert_options *options,
                                 const struct codegeex_cancel_token *cancel,
                                 codegeex_progress_callback progress,
                                 void *userdata,
                                 struct codegeex_error **error);

/**
 * Creates options with the defaults: 64 concurrent sequences, 8 cached prompts, 1024 waiting
 * requests, half of the available memory for the KV cache.
 */
codegeex_status codegeex_service_options_new(struct codegeex_service_options **options,
                                             struct codegeex_error **error);

/**
 * Sets an option by key; key and value are text. A refused value changes nothing. The keys:
 *
 * - `sequences`: Maximum batch size in sequences, at least 1. Default: `64`.
 * - `prefill_tokens`: Maximum number of prompt tokens per step (chunked prefill), at least 1.
 *   Default: `512`.
 * - `cache_bytes`: Limit of the KV cache of all requests together, in bytes: none means half of
 *   the memory that the system has available, unlimited no limit. Default: `none`.
 * - `prefixes`: Size of the prompt cache in prompts, for requests that share a prefix. Default:
 *   `8`.
 * - `waiting`: Maximum number of waiting requests. Default: `1024`.
 */
codegeex_status codegeex_service_options_set(struct codegeex_service_options *options,
                                             const char *key,
                                             size_t key_len,
                                             const char *value,
                                             size_t value_len,
                                             struct codegeex_error **error);

/**
 * The value of an option as text, in the format of codegeex_service_options_set.
 *
 * `value` receives `value_len` bytes followed by a NUL; free it with codegeex_free.
 */
codegeex_status codegeex_service_options_get(const struct codegeex_service_options *options,
                                             const char *key,
                                             size_t key_len,
                                             char **value,
                                             size_t *value_len,
                                             struct codegeex_error **error);

/**
 * The key of an option by index, from 0; a static string. NULL past the last option. `help`,
 * unless NULL, receives a description of the option; a static string.
 */
const char *codegeex_service_options_key(size_t index, const char **help);

/**
 * Frees options. NULL is allowed.
 */
void codegeex_service_options_free(struct codegeex_service_options *options);

/**
 * Starts a service. `options` may be NULL. The service keeps the model alive.
 */
codegeex_status codegeex_service_new(const struct codegeex_model *model,
                                     const struct codegeex_service_options *options,
                                     struct codegeex_service **service,
                                     struct codegeex_error **error);

/**
 * Submits a request for a prompt of text. `options` and `cancel` may be NULL. `when_full` is one
 * of `CODEGEEX_WHEN_FULL_*`. A full queue is CODEGEEX_BUSY. Errors of the request itself are
 * reported at the end of the ticket.
 *
 * `ticket` receives a handle; free it with codegeex_ticket_free.
 */
codegeex_status codegeex_service_submit(const struct codegeex_service *service,
                                        const char *prompt,
                                        size_t prompt_len,
                                        const struct codegeex_generate_options *options,
                                        int32_t when_full,
                                        const struct codegeex_cancel_token *cancel,
                                        struct codegeex_ticket **ticket,
                                        struct codegeex_error **error);

/**
 * Like codegeex_service_submit, for a prompt of ids.
 */
codegeex_status codegeex_service_submit_from(const struct codegeex_service *service,
                                             const uint32_t *prompt,
                                             size_t prompt_len,
                                             const struct codegeex_generate_options *options,
                                             int32_t when_full,
                                             const struct codegeex_cancel_token *cancel,
                                             struct codegeex_ticket **ticket,
                                             struct codegeex_error **error);

/**
 * Fills `progress`.
 */
codegeex_status codegeex_service_get_progress(const struct codegeex_service *service,
                                              struct codegeex_service_progress *progress,
                                              struct codegeex_error **error);

/**
 * Cancels running requests, waits for the service's thread to end and frees the service. Tickets
 * still receive their last events. NULL is allowed.
 */
void codegeex_service_free(struct codegeex_service *service);

/**
 * The next event of a request. If `wait` is nonzero, the call blocks until there is one; otherwise
 * the kind CODEGEEX_EVENT_NONE means that there is none yet. After CODEGEEX_EVENT_DONE, every call
 * returns that.
 *
 * Set `event->struct_size` to `sizeof` before the call. The data that the event points to is valid
 * until the next call with this ticket.
 */
codegeex_status codegeex_ticket_next(struct codegeex_ticket *ticket,
                                     int32_t wait,
                                     struct codegeex_event *event,
                                     struct codegeex_error **error);

/**
 * Waits for the end of a request, skips its events, and returns all samples or the error that
 * ended it. The samples can be fetched once.
 *
 * `completions` receives a handle; free it with codegeex_completions_free.
 */
codegeex_status codegeex_ticket_wait(struct codegeex_ticket *ticket,
                                     struct codegeex_completions **completions,
                                     struct codegeex_error **error);

/**
 * Cancels a request. It still receives its last events. Safe to call from any thread, also while
 * another waits.
 */
codegeex_status codegeex_ticket_cancel(const struct codegeex_ticket *ticket,
                                       struct codegeex_error **error);

/**
 * Cancels a request and frees its ticket. NULL is allowed.
 */
void codegeex_ticket_free(struct codegeex_ticket *ticket);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* CODEGEEX_H */
