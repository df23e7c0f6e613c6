/*
 * codegeex: the CodeGeeX code model as a library. The C interface.
 *
 * Conventions
 *
 * Status. A function that can fail returns a codegeex_status: CODEGEEX_OK (0), or a number that is
 * the same in every release. Its last argument, `error`, may be NULL; otherwise it receives, on
 * failure alone, an error with a message and causes, for the caller to free with
 * codegeex_error_free. There is no "last error" to ask for. Nothing aborts the process, and
 * nothing unwinds into the caller: a panic inside the library is CODEGEEX_PANIC, and the handles of
 * that call can only be freed afterwards (CODEGEEX_POISONED).
 *
 * Results. They are written on success alone. Functions that return a value and no status return
 * NULL, 0 or what is documented where an argument is wrong.
 *
 * NULL. An argument may be NULL where that is said; elsewhere it is CODEGEEX_INVALID_ARGUMENT.
 *
 * Handles. All types are opaque but for a few structs. A handle is a key into a table of the
 * library, and no address: it is compared with others and with NULL, and never dereferenced. It is
 * freed by the function of its type whose name ends in _free, which does nothing for NULL. Handles
 * hold what they need: a session outlives the codegeex_model_free of its model, and handles may be
 * freed in any order, from any thread, even while a call uses or is about to use them. A call that
 * has begun ends as usual; one that begins later gets CODEGEEX_INVALID_ARGUMENT, and so does every
 * call with a handle that was freed or is of another type. Freeing such a handle does nothing, so
 * a handle may be freed twice. No handle ever comes back as another one. No function frees or
 * consumes an argument but the _free functions.
 *
 * const. A handle that a function takes as a pointer to const may be used by any number of threads
 * at once in such functions. What changes a handle takes it without const and is for one thread at
 * a time; sessions, states, decoders and tickets that are used by two calls at once answer
 * CODEGEEX_BUSY.
 *
 * Text. UTF-8 as a pointer and a length in bytes, with or without a zero behind it; (NULL, 0) is the
 * empty text. Texts and arrays that a function returns for the caller to keep are freed with
 * codegeex_free. Others belong to a handle, and are valid until that is freed. Paths are text.
 *
 * Structs. Those that the library fills begin with `struct_size`, which the caller sets to sizeof;
 * fields are only ever added at the end.
 *
 * Callbacks. They get the `userdata` of the call, and run on the thread that made it, before it
 * returns. They must not unwind or jump out. They may call the library.
 *
 * Memory. Where memory is refused, a call is CODEGEEX_OUT_OF_MEMORY, and the process goes on. For
 * small amounts the library keeps a megabyte in reserve, so that a call gets far enough to fail in
 * order; `error` then receives NULL at worst.
 *
 * Processes. The library has no state of its own besides the table of handles, the reserve of memory
 * and tables that never change. It writes nothing to standard output, and starts threads only for
 * open models and services; they end before the last handle is freed. A process may fork before it opens a model, and may dlclose the library after it
 * freed all handles.
 */


#ifndef CODEGEEX_H
#define CODEGEEX_H


#include <stddef.h>
#include <stdint.h>

/** The version of this header. */
#define CODEGEEX_VERSION "0.1.0"
#define CODEGEEX_VERSION_MAJOR 0
#define CODEGEEX_VERSION_MINOR 1
#define CODEGEEX_VERSION_PATCH 0


/**
 * The major number of the ABI, which is in the soname: programs of one number run with every
 * library of the same number that is not older.
 */
#define CODEGEEX_ABI_MAJOR 0

/**
 * Counts the additions to the ABI.
 */
#define CODEGEEX_ABI_MINOR 1

/**
 * Something failed that was reported as an error as well.
 */
#define CODEGEEX_LOG_ERROR 1

/**
 * Something that may be a mistake of the host's.
 */
#define CODEGEEX_LOG_WARNING 2

/**
 * Models that are opened, and with which kernels they compute.
 */
#define CODEGEEX_LOG_INFO 3

/**
 * Every call that computes, with its counts.
 */
#define CODEGEEX_LOG_DEBUG 4

/**
 * A special token such as `<|endoftext|>` that is spelled out in a text is text like any other:
 * no text can produce a control token.
 */
#define CODEGEEX_SPECIAL_AS_TEXT 0

/**
 * A special token that is spelled out in a text is the token that it spells.
 */
#define CODEGEEX_SPECIAL_PARSE 1

/**
 * Bytes that are not UTF-8 become U+FFFD.
 */
#define CODEGEEX_INVALID_UTF8_REPLACE 0

/**
 * Bytes that are not UTF-8 are an error.
 */
#define CODEGEEX_INVALID_UTF8_REFUSE 1

/**
 * Files are mapped: opening costs next to nothing, pages are read when they are used. The files
 * must not be truncated meanwhile.
 */
#define CODEGEEX_MEMORY_MAP 0

/**
 * Files are read into memory of their own.
 */
#define CODEGEEX_MEMORY_COPY 1

/**
 * Files are mapped and locked in memory, so that the system never takes their pages back. Needs a
 * limit of locked memory (RLIMIT_MEMLOCK) that is as large as the files.
 */
#define CODEGEEX_MEMORY_LOCK 2

/**
 * Keys and values are kept in single precision, as they are computed.
 */
#define CODEGEEX_KV_F32 0

/**
 * Keys and values are kept in half precision.
 */
#define CODEGEEX_KV_F16 1

/**
 * Keys and values are kept in eight bits with a scale for each token and head.
 */
#define CODEGEEX_KV_INT8 2

/**
 * Inputs of quantized layers are rounded to 16 bits with a scale for each token.
 */
#define CODEGEEX_ACTIVATIONS_INT16 0

/**
 * Inputs of quantized layers are rounded to 8 bits with a scale for each 256 of a token: faster for
 * prompts and many sequences, and less exact.
 */
#define CODEGEEX_ACTIVATIONS_INT8 1

/**
 * Nothing happened: what codegeex_ticket_next reports when it does not wait.
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
 * A request of a service is over; nothing follows.
 */
#define CODEGEEX_EVENT_DONE 3

/**
 * The completion has not ended.
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
 * As many tokens as were asked for.
 */
#define CODEGEEX_FINISH_LENGTH 3

/**
 * Every position of the model is taken.
 */
#define CODEGEEX_FINISH_CONTEXT_FULL 4

/**
 * The cancel token was set, or the callback asked to stop.
 */
#define CODEGEEX_FINISH_CANCELLED 5

/**
 * The time was up.
 */
#define CODEGEEX_FINISH_DEADLINE 6

/**
 * The prompt has more tokens to compute than allowed.
 */
#define CODEGEEX_FINISH_PREFILL_LIMIT 7

/**
 * A reason that has no number yet.
 */
#define CODEGEEX_FINISH_OTHER 8

/**
 * A rule of code: the line ended.
 */
#define CODEGEEX_FINISH_END_OF_LINE 9

/**
 * A rule of code: the block ended.
 */
#define CODEGEEX_FINISH_END_OF_BLOCK 10

/**
 * A rule of code: the function ended.
 */
#define CODEGEEX_FINISH_END_OF_FUNCTION 11

/**
 * A rule of code: a line began in the first column.
 */
#define CODEGEEX_FINISH_UNINDENTED_LINE 12

/**
 * A rule of code: where the reference ends the generation for HumanEval-X.
 */
#define CODEGEEX_FINISH_HUMANEVAL 13

/**
 * The rules of the CodeGeeX reference: the score is the sum of the log-probabilities.
 */
#define CODEGEEX_BEAM_RULES_REFERENCE 0

/**
 * The rules of `generate` in Hugging Face transformers.
 */
#define CODEGEEX_BEAM_RULES_HUGGING_FACE 1

/**
 * Looks for better beams until the best running one is no better than the worst finished one.
 */
#define CODEGEEX_EARLY_STOPPING_NO 0

/**
 * Does not look for better beams.
 */
#define CODEGEEX_EARLY_STOPPING_YES 1

/**
 * Looks for better beams as long as one could be better.
 */
#define CODEGEEX_EARLY_STOPPING_NEVER 2

/**
 * White space, then a word or a run of other characters.
 */
#define CODEGEEX_ACCEPT_WORD 0

/**
 * The first line that is not blank, with its line break and the blank ones before it.
 */
#define CODEGEEX_ACCEPT_LINE 1

/**
 * All of it.
 */
#define CODEGEEX_ACCEPT_ALL 2

/**
 * No logits: the tokens only enter the state.
 */
#define CODEGEEX_LOGITS_NONE 0

/**
 * The logits that follow the last token.
 */
#define CODEGEEX_LOGITS_LAST 1

/**
 * The logits that follow each token.
 */
#define CODEGEEX_LOGITS_ALL 2

/**
 * Waits with a request when there is no room: codegeex_service_submit.
 */
#define CODEGEEX_WHEN_FULL_WAIT 0

/**
 * Refuses a request when there is no room, with CODEGEEX_BUSY: codegeex_service_submit.
 */
#define CODEGEEX_WHEN_FULL_REFUSE 1

/**
 * What a beam search is asked to do. What is not set is as in a new one: four beams of at most 128
 * tokens by the rules of the reference; NULL stands for a new one.
 *
 * Threads: setters on one thread at a time; any number of threads may use one that does not
 * change.
 */
typedef struct codegeex_beam_options codegeex_beam_options;

/**
 * A flag that asks running calls to stop, set once and never cleared. One token serves any number
 * of calls, at the same time too.
 *
 * Threads: any thread may use one at any time; setting it is what it is for.
 */
typedef struct codegeex_cancel_token codegeex_cancel_token;

/**
 * The finished samples of a generation, or the beams of a search, best first.
 *
 * Threads: immutable; any number of threads may read one at once.
 */
typedef struct codegeex_completions codegeex_completions;

/**
 * How a checkpoint is converted. What is not set is as in a new one: every type as it is, nothing
 * quantized, no file replaced; NULL stands for a new one.
 *
 * Threads: setters on one thread at a time; any number of threads may use one that does not
 * change.
 */
typedef struct codegeex_convert_options codegeex_convert_options;

/**
 * Decodes ids one after the other and gives out text as soon as it is certain: a token may end
 * inside a character.
 *
 * Threads: one call at a time; a second one is CODEGEEX_BUSY.
 */
typedef struct codegeex_decoder codegeex_decoder;

/**
 * How an edit session suggests. What is not set is as in a new one: 64 tokens at most, healed, with
 * all post-processing; NULL stands for a new one.
 *
 * Threads: setters on one thread at a time; any number of threads may use one that does not
 * change.
 */
typedef struct codegeex_edit_options codegeex_edit_options;

/**
 * Suggests code at a cursor while the text around it changes. It keeps the model.
 *
 * Threads: one call at a time; a second one is CODEGEEX_BUSY, from a callback too. To end a
 * suggestion from another thread, set the cancel token that it was given.
 */
typedef struct codegeex_edit_session codegeex_edit_session;

/**
 * What went wrong: a status, a sentence that says what was found, what was expected and what to do,
 * and the errors that caused it.
 *
 * Owned by the caller; immutable, so any number of threads may read one.
 */
typedef struct codegeex_error codegeex_error;

/**
 * What a generation is asked to do. What is not set is as in a new one: greedy, 128 new tokens, one
 * sample, no stop strings; NULL stands for a new one. Numbers out of range are reported by the call
 * that uses the options.
 *
 * Threads: setters on one thread at a time; any number of threads may use one that does not
 * change. A call reads the options when it begins.
 */
typedef struct codegeex_generate_options codegeex_generate_options;

/**
 * Logits of a call, row by row.
 *
 * Threads: immutable; any number of threads may read one at once.
 */
typedef struct codegeex_logits codegeex_logits;

/**
 * A model with its tokenizer, ready to compute.
 *
 * Threads: immutable; any number of threads may use one at once.
 */
typedef struct codegeex_model codegeex_model;

/**
 * How a model is opened. What is not set is as in a new one, and NULL stands for a new one.
 *
 * Threads: setters on one thread at a time; any number of threads may use one that does not
 * change.
 */
typedef struct codegeex_open_options codegeex_open_options;

/**
 * How likely a model finds given tokens.
 *
 * Threads: immutable; any number of threads may read one at once.
 */
typedef struct codegeex_score codegeex_score;

/**
 * Computes requests of any number of threads together: the weights are read once a step for all.
 *
 * Threads: any number of threads may use one at once. It has a thread of its own, which ends when
 * the service is freed; requests that are under way are cancelled then.
 */
typedef struct codegeex_service codegeex_service;

/**
 * Bounds of a service. What is not set is as in a new one: 64 sequences at once, 1024 requests that
 * wait; NULL stands for a new one.
 *
 * Threads: setters on one thread at a time; any number of threads may use one that does not
 * change.
 */
typedef struct codegeex_service_options codegeex_service_options;

/**
 * The tokens that a model was fed last, with their keys and values: a prompt that begins with the
 * same tokens is computed from where it differs. Answers do not depend on that.
 *
 * Threads: one call at a time; a second one is CODEGEEX_BUSY, from a callback too.
 */
typedef struct codegeex_session codegeex_session;

/**
 * The state of one sequence: what a model remembers of the tokens that it was fed. It keeps the
 * model.
 *
 * Threads: one call at a time; a second one is CODEGEEX_BUSY.
 */
typedef struct codegeex_state codegeex_state;

/**
 * A prompt with what is needed to use the answer.
 *
 * Threads: immutable; any number of threads may read one at once.
 */
typedef struct codegeex_task codegeex_task;

/**
 * A request that is under way. Freeing it cancels the request.
 *
 * Threads: codegeex_ticket_cancel from any thread at any time; of the others one call at a time, a
 * second one is CODEGEEX_BUSY.
 */
typedef struct codegeex_ticket codegeex_ticket;

/**
 * Text to token ids and back.
 *
 * Threads: immutable; any number of threads may use one at once.
 */
typedef struct codegeex_tokenizer codegeex_tokenizer;

/**
 * What a function returns: `CODEGEEX_OK` or the number of an error. Numbers are grouped by
 * hundreds and never reused; later releases may add some.
 */
typedef int32_t codegeex_status;

/**
 * Gets a message of one line, UTF-8, with a zero behind it, valid during the call. `level` is one
 * of `CODEGEEX_LOG_*`.
 *
 * It runs on the thread whose call has something to say: every thread that uses the handle. It
 * must not unwind.
 */
typedef void (*codegeex_log_callback)(void *userdata,
                                      int32_t level,
                                      const char *message,
                                      size_t message_len);

/**
 * Gets a userdata back that a handle kept, when nothing will use it any more.
 */
typedef void (*codegeex_destroy_callback)(void *userdata);

/**
 * Hears how far a long call is: `done` of `total`, in the unit that the call names. Returns 0 to go
 * on, anything else to cancel the call. It runs on the thread of the call and must not unwind.
 */
typedef int32_t (*codegeex_progress_callback)(void *userdata, uint64_t done, uint64_t total);

/**
 * Sizes of a model. Set `struct_size` to `sizeof` before it is filled; later releases may add fields
 * at the end.
 */
typedef struct codegeex_model_info {
    /**
     * Size of this struct in bytes.
     */
    size_t struct_size;
    /**
     * Decoder layers, the top query layer not counted.
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
     * Ids that logits are computed for; those from the tokenizer's vocabulary size on are padding.
     */
    size_t vocab_size;
    /**
     * Longest sequence.
     */
    size_t max_positions;
    /**
     * Number of parameters.
     */
    uint64_t parameters;
} codegeex_model_info;

/**
 * What a model will take, in bytes. Set `struct_size` to `sizeof` before it is filled; later
 * releases may add fields at the end.
 */
typedef struct codegeex_memory_estimate {
    /**
     * Size of this struct in bytes.
     */
    size_t struct_size;
    /**
     * Weights used where they lie in mapped files, shared between processes.
     */
    uint64_t weights_mapped;
    /**
     * Weights in memory of their own.
     */
    uint64_t weights_owned;
    /**
     * Keys and values of one token.
     */
    uint64_t cache_per_token;
    /**
     * Keys and values of every sequence at its full length.
     */
    uint64_t cache;
    /**
     * Activations of the largest call, and logits.
     */
    uint64_t scratch;
    /**
     * All of it.
     */
    uint64_t total;
} codegeex_memory_estimate;

/**
 * A token with its log-probability under the model, before any sampler.
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
 * What happened. Later releases may add fields at the end; `struct_size` says which are there.
 */
typedef struct codegeex_event {
    /**
     * Size of this struct in bytes.
     */
    size_t struct_size;
    /**
     * One of `CODEGEEX_EVENT_*`; those that are not known are to be passed over.
     */
    int32_t kind;
    /**
     * For an end: one of `CODEGEEX_FINISH_*`.
     */
    int32_t finish_reason;
    /**
     * Which sample, from 0.
     */
    size_t sample;
    /**
     * For a token: its id.
     */
    uint32_t id;
    /**
     * For a token: its log-probability under the model, before any sampler.
     */
    float logprob;
    /**
     * The text that is certain now and was not before, UTF-8, not zero-terminated. It may be empty:
     * a token may end inside a character, and what may begin a stop string is held back.
     */
    const char *text;
    /**
     * Bytes of `text`.
     */
    size_t text_len;
    /**
     * For a token: the likeliest tokens in its place, best first, as many as the options ask for.
     */
    const struct codegeex_token_logprob *top_logprobs;
    /**
     * How many of `top_logprobs` there are.
     */
    size_t top_logprobs_len;
    /**
     * For an end at a stop string: its index in the options; SIZE_MAX for every other event.
     */
    size_t stop_index;
} codegeex_event;

/**
 * Hears what happens during a generation. The event and what it points to are valid during the
 * call. Returns 0 to go on, anything else to cancel the generation. It runs on the thread that
 * called the generation, and must not unwind. It may free handles, those of the running call too.
 */
typedef int32_t (*codegeex_event_callback)(void *userdata, const struct codegeex_event *event);

/**
 * What a new text changed. Set `struct_size` to `sizeof` before it is filled; later releases may add
 * fields at the end.
 */
typedef struct codegeex_edit_update {
    /**
     * Size of this struct in bytes.
     */
    size_t struct_size;
    /**
     * Bytes from the beginning of the text that the model does not see, because it is too long.
     */
    size_t clipped_bytes;
    /**
     * Line breaks in them.
     */
    size_t clipped_lines;
    /**
     * 1 if what the model sees begins elsewhere than before, so that it will be read anew.
     */
    int32_t moved;
    /**
     * 1 if a suggestion agrees with what was typed: nothing need be computed.
     */
    int32_t is_alive;
} codegeex_edit_update;

/**
 * How full a service is. Set `struct_size` to `sizeof` before it is filled; later releases may add
 * fields at the end.
 */
typedef struct codegeex_service_progress {
    /**
     * Size of this struct in bytes.
     */
    size_t struct_size;
    /**
     * Requests that wait for room.
     */
    size_t waiting;
    /**
     * Requests that were admitted.
     */
    size_t running;
    /**
     * Samples and beams that are being generated.
     */
    size_t sequences;
    /**
     * Bytes of KV cache that are planned for, kept prefixes included.
     */
    uint64_t cache_bytes;
    /**
     * Tokens of prompts that were found in kept prefixes, since the beginning.
     */
    uint64_t reused_tokens;
} codegeex_service_progress;

/**
 * The function did what it was asked to.
 */
#define CODEGEEX_OK 0

/**
 * An argument is outside what the function accepts, NULL where something is needed included.
 */
#define CODEGEEX_INVALID_ARGUMENT 100

/**
 * A token id is not below the vocabulary size.
 */
#define CODEGEEX_TOKEN_OUT_OF_RANGE 101

/**
 * A sequence would grow past the positions that the model has.
 */
#define CODEGEEX_CONTEXT_OVERFLOW 102

/**
 * A state was handed to a model that did not make it.
 */
#define CODEGEEX_STATE_MISMATCH 103

/**
 * Reading or writing failed in the operating system.
 */
#define CODEGEEX_IO 200

/**
 * A file or folder does not exist.
 */
#define CODEGEEX_NOT_FOUND 201

/**
 * A file breaks the rules of its own format: truncated, overlapping, overflowing.
 */
#define CODEGEEX_MALFORMED_FILE 300

/**
 * A file is well-formed but uses something that this library does not read.
 */
#define CODEGEEX_UNSUPPORTED_FILE 301

/**
 * A checkpoint lacks a tensor that the model needs.
 */
#define CODEGEEX_MISSING_TENSOR 302

/**
 * A tensor has another shape than the model's configuration says.
 */
#define CODEGEEX_SHAPE_MISMATCH 303

/**
 * Nothing says how the model is configured.
 */
#define CODEGEEX_MISSING_CONFIG 304

/**
 * A model configuration contradicts itself or is outside what is supported.
 */
#define CODEGEEX_INVALID_CONFIG 305

/**
 * Bytes are not valid UTF-8 where text is needed.
 */
#define CODEGEEX_INVALID_UTF8 400

/**
 * A tokenizer vocabulary is inconsistent.
 */
#define CODEGEEX_INVALID_VOCABULARY 401

/**
 * A computation met NaN or infinity where a number is needed.
 */
#define CODEGEEX_NON_FINITE 500

/**
 * An allocation was refused, by the system or by a limit that was set.
 */
#define CODEGEEX_OUT_OF_MEMORY 501

/**
 * A backend or an instruction set is not there on this machine.
 */
#define CODEGEEX_BACKEND_UNAVAILABLE 502

/**
 * There is no room at the moment, or the handle serves another call; the same call may succeed
 * later.
 */
#define CODEGEEX_BUSY 503

/**
 * The caller asked to stop.
 */
#define CODEGEEX_CANCELLED 600

/**
 * A broken invariant of this library: please report it.
 */
#define CODEGEEX_INTERNAL 900

/**
 * A panic inside this library, which was caught: please report it with its message. The handles
 * of the call are poisoned.
 */
#define CODEGEEX_PANIC 901

/**
 * An earlier call with the same handle panicked; all that can be done with the handle is to free
 * it.
 */
#define CODEGEEX_POISONED 902

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * The name of a status in a few words, such as `out of memory`; a static string. `unknown status`
 * for a number that is none.
 */
const char *codegeex_status_name(codegeex_status status);

/**
 * The status that the function returned as well; `CODEGEEX_INVALID_ARGUMENT` for NULL.
 */
codegeex_status codegeex_error_code(const struct codegeex_error *error);

/**
 * The message, UTF-8, with a zero behind it. It belongs to the error. NULL for NULL.
 *
 * `len` receives its length in bytes and may be NULL.
 */
const char *codegeex_error_message(const struct codegeex_error *error, size_t *len);

/**
 * How many causes the error has; 0 for NULL.
 */
size_t codegeex_error_causes(const struct codegeex_error *error);

/**
 * The message of a cause, the nearest first, UTF-8, with a zero behind it. It belongs to the error.
 * NULL for NULL and for an index out of range.
 */
const char *codegeex_error_cause(const struct codegeex_error *error, size_t index, size_t *len);

/**
 * Frees an error. NULL is allowed.
 */
void codegeex_error_free(struct codegeex_error *error);

/**
 * The ABI of the library that runs: `CODEGEEX_ABI_MAJOR * 65536 + CODEGEEX_ABI_MINOR` of its own
 * header.
 */
uint32_t codegeex_abi_version(void);

/**
 * The version of the library that runs, such as `0.1.0`; a static string.
 */
const char *codegeex_version(void);

/**
 * The name of an instruction set that this machine has and the kernels can use, as a static
 * string: index 0 is `scalar`, the last is the fastest, which a model uses unless told otherwise.
 * NULL for an index out of range.
 */
const char *codegeex_cpu_tier_name(size_t index);

/**
 * How many names `codegeex_cpu_tier_name` has.
 */
size_t codegeex_cpu_tiers(void);

/**
 * The name of the fastest instruction set that this machine has and the kernels can use; a static
 * string.
 */
const char *codegeex_cpu_tier(void);

/**
 * Whether the library was built with a feature, by name: 1 or 0. There are none yet but `capi`
 * itself; `cuda` is asked for the same way.
 */
int32_t codegeex_has_feature(const char *name, size_t name_len);

/**
 * Frees a text or an array that a function of this library returned for the caller to keep:
 * wherever the documentation says "free with codegeex_free". NULL is allowed.
 */
void codegeex_free(void *buffer);

/**
 * Makes a token that is not set. With `timeout_ms` above 0 it sets itself so many milliseconds from
 * now.
 */
codegeex_status codegeex_cancel_token_new(uint64_t timeout_ms,
                                          struct codegeex_cancel_token **token,
                                          struct codegeex_error **error);

/**
 * Sets the token: calls that were given it return as soon as they see it.
 */
codegeex_status codegeex_cancel_token_cancel(const struct codegeex_cancel_token *token,
                                             struct codegeex_error **error);

/**
 * Whether the token is set: 1 or 0; 0 for NULL.
 */
int32_t codegeex_cancel_token_is_cancelled(const struct codegeex_cancel_token *token);

/**
 * Frees a token. Calls that were given it go on. NULL is allowed.
 */
void codegeex_cancel_token_free(struct codegeex_cancel_token *token);

/**
 * Makes the tokenizer of CodeGeeX's published checkpoints, which is compiled in.
 */
codegeex_status codegeex_tokenizer_new(struct codegeex_tokenizer **tokenizer,
                                       struct codegeex_error **error);

/**
 * Reads `vocab.json`, `merges.txt` and `added_tokens.json` in a folder.
 */
codegeex_status codegeex_tokenizer_from_folder(const char *path,
                                               size_t path_len,
                                               struct codegeex_tokenizer **tokenizer,
                                               struct codegeex_error **error);

/**
 * The ids of a text. `special` is one of `CODEGEEX_SPECIAL_*`.
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
 * The text of ids. `invalid_utf8` is one of `CODEGEEX_INVALID_UTF8_*`: ids may end inside a
 * character.
 *
 * `text` receives `text_len` bytes, with a zero behind them; free it with codegeex_free.
 */
codegeex_status codegeex_tokenizer_decode(const struct codegeex_tokenizer *tokenizer,
                                          const uint32_t *ids,
                                          size_t ids_len,
                                          int32_t invalid_utf8,
                                          char **text,
                                          size_t *text_len,
                                          struct codegeex_error **error);

/**
 * The bytes that an id stands for, which may end inside a UTF-8 character.
 *
 * `bytes` receives an array of `bytes_len` bytes; free it with codegeex_free.
 */
codegeex_status codegeex_tokenizer_token_bytes(const struct codegeex_tokenizer *tokenizer,
                                               uint32_t id,
                                               uint8_t **bytes,
                                               size_t *bytes_len,
                                               struct codegeex_error **error);

/**
 * One more than the largest id; 0 for NULL.
 */
size_t codegeex_tokenizer_vocab_size(const struct codegeex_tokenizer *tokenizer);

/**
 * The id that ends a text; 0 for NULL.
 */
uint32_t codegeex_tokenizer_end_of_text(const struct codegeex_tokenizer *tokenizer);

/**
 * Frees a tokenizer. Models and decoders that use it go on. NULL is allowed.
 */
void codegeex_tokenizer_free(struct codegeex_tokenizer *tokenizer);

/**
 * Makes a decoder at the beginning of a text. `policy` is one of `CODEGEEX_INVALID_UTF8_*`.
 */
codegeex_status codegeex_decoder_new(const struct codegeex_tokenizer *tokenizer,
                                     int32_t policy,
                                     struct codegeex_decoder **decoder,
                                     struct codegeex_error **error);

/**
 * The text that `id` completes, which may be empty.
 *
 * With CODEGEEX_INVALID_UTF8_REFUSE, bytes that cannot become a character are
 * CODEGEEX_INVALID_UTF8; they are dropped, and the decoder goes on with the next call.
 *
 * `text` receives `text_len` bytes, with a zero behind them; free it with codegeex_free.
 */
codegeex_status codegeex_decoder_push(struct codegeex_decoder *decoder,
                                      uint32_t id,
                                      char **text,
                                      size_t *text_len,
                                      struct codegeex_error **error);

/**
 * Whether bytes are held back: 1 or 0; 0 for NULL.
 */
int32_t codegeex_decoder_is_pending(const struct codegeex_decoder *decoder);

/**
 * Ends the text: what is held back becomes U+FFFD or CODEGEEX_INVALID_UTF8, as the policy says.
 * Afterwards the decoder is at the beginning of another text.
 *
 * `text` receives `text_len` bytes, with a zero behind them; free it with codegeex_free.
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
 * Makes options: files mapped, all cores, the fastest instruction set, keys and values in single
 * precision, no limit of memory, the compiled-in tokenizer, no log.
 */
codegeex_status codegeex_open_options_new(struct codegeex_open_options **options,
                                          struct codegeex_error **error);

/**
 * Sets an option by its key, both as text. A value that is refused changes nothing.
 */
codegeex_status codegeex_open_options_set(struct codegeex_open_options *options,
                                          const char *key,
                                          size_t key_len,
                                          const char *value,
                                          size_t value_len,
                                          struct codegeex_error **error);

/**
 * The value of an option as text, such as codegeex_open_options_set takes.
 *
 * `value` receives `value_len` bytes, with a zero behind them; free it with codegeex_free.
 */
codegeex_status codegeex_open_options_get(const struct codegeex_open_options *options,
                                          const char *key,
                                          size_t key_len,
                                          char **value,
                                          size_t *value_len,
                                          struct codegeex_error **error);

/**
 * The key of an option by its index from 0, a static string, or NULL past the last. `help`, unless
 * NULL, receives a static string that says what it is.
 */
const char *codegeex_open_options_key(size_t index, const char **help);

/**
 * How the bytes of the files come into memory: one of `CODEGEEX_MEMORY_*`.
 */
codegeex_status codegeex_open_options_set_memory(struct codegeex_open_options *options,
                                                 int32_t memory,
                                                 struct codegeex_error **error);

/**
 * Threads that compute, the calling one included; 0 means one for each core that the process may
 * use.
 */
codegeex_status codegeex_open_options_set_threads(struct codegeex_open_options *options,
                                                  size_t threads,
                                                  struct codegeex_error **error);

/**
 * The instruction set of the kernels, by name: `scalar`, `avx2`, … (see codegeex_cpu_tier_name);
 * `auto` means the fastest. All give the same results to the bit.
 */
codegeex_status codegeex_open_options_set_isa(struct codegeex_open_options *options,
                                              const char *name,
                                              size_t name_len,
                                              struct codegeex_error **error);

/**
 * How keys and values are kept: one of `CODEGEEX_KV_*`.
 */
codegeex_status codegeex_open_options_set_kv(struct codegeex_open_options *options,
                                             int32_t kv,
                                             struct codegeex_error **error);

/**
 * How the inputs of quantized layers are rounded: one of `CODEGEEX_ACTIVATIONS_*`.
 */
codegeex_status codegeex_open_options_set_activations(struct codegeex_open_options *options,
                                                      int32_t activations,
                                                      struct codegeex_error **error);

/**
 * The most bytes of keys and values that the model may hold over all sequences, 0 for none at all:
 * what would go beyond is CODEGEEX_OUT_OF_MEMORY. UINT64_MAX means no limit.
 */
codegeex_status codegeex_open_options_set_memory_limit(struct codegeex_open_options *options,
                                                       uint64_t bytes,
                                                       struct codegeex_error **error);

/**
 * The tokenizer of the model; NULL means the compiled-in one.
 */
codegeex_status codegeex_open_options_set_tokenizer(struct codegeex_open_options *options,
                                                    const struct codegeex_tokenizer *tokenizer,
                                                    struct codegeex_error **error);

/**
 * Where the messages of the model go that is opened with these options: those of `level` (one of
 * `CODEGEEX_LOG_*`) and more serious ones. A callback of NULL means nowhere.
 *
 * `destroy`, unless NULL, gets `userdata` when neither these options nor a model use it any more,
 * and at once where this call fails.
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
 * Opens a checkpoint: a `.pt` file, a folder of `mp_rank_*` shards, or safetensors.
 *
 * `options`, `cancel` and `progress` may be NULL. `progress` hears bytes that were copied, of all
 * that will be; both are 0 where all is used where it is mapped.
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
 * One line about a model: sizes, backend, kernels, threads. UTF-8, with a zero behind it; it belongs
 * to the model. NULL for NULL.
 */
const char *codegeex_model_describe(const struct codegeex_model *model,
                                    size_t *len);

/**
 * The configuration of a model as JSON, with a zero behind it; it belongs to the model. NULL for
 * NULL.
 */
const char *codegeex_model_config_json(const struct codegeex_model *model, size_t *len);

/**
 * The name of the instruction set that the kernels of a model use, a static string. NULL for NULL.
 */
const char *codegeex_model_kernels(const struct codegeex_model *model);

/**
 * A number that tells a model and its weights from others: states that one saved, another with the
 * same number can restore. It is taken when it is first asked for, from a sample of the weights.
 */
codegeex_status codegeex_model_fingerprint(const struct codegeex_model *model,
                                           uint64_t *fingerprint,
                                           struct codegeex_error **error);

/**
 * The tokenizer of a model, as a handle of its own: free it with codegeex_tokenizer_free.
 */
codegeex_status codegeex_model_tokenizer(const struct codegeex_model *model,
                                         struct codegeex_tokenizer **tokenizer,
                                         struct codegeex_error **error);

/**
 * Frees a model. Sessions, states and services that use it go on, and its threads end with the last
 * of them. NULL is allowed.
 */
void codegeex_model_free(struct codegeex_model *model);

/**
 * How much memory a checkpoint will take with these options, for `sequences` at the same time of
 * `positions` tokens each, without loading it. `options` may be NULL.
 */
codegeex_status codegeex_estimate_memory(const char *path,
                                         size_t path_len,
                                         const struct codegeex_open_options *options,
                                         size_t sequences,
                                         size_t positions,
                                         struct codegeex_memory_estimate *result,
                                         struct codegeex_error **error);

/**
 * Code to go on with, after the tag line of its language.
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
 * The same code with a comment before every line that says what the line does.
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
 * The documentation of a function or a type, in the form that is usual for the language.
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
 * The translation of code into another language. `declaration` is how it begins, and may be empty:
 * then the model chooses.
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
 * What a template of the caller's makes of code, see codegeex_template_expand. The template says
 * everything, a tag line included.
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
 * What the model continues. UTF-8, with a zero behind it; it belongs to the task.
 * NULL for NULL.
 */
const char *codegeex_task_prompt(const struct codegeex_task *task, size_t *len);

/**
 * The end of the prompt that is the beginning of the answer, such as the opening quotes of a
 * docstring: to be shown before the completion. UTF-8, with a zero behind it; it belongs to the task.
 * NULL for NULL.
 */
const char *codegeex_task_lead(const struct codegeex_task *task,
                               size_t *len);

/**
 * What belongs after a completion that has ended, such as the closing quotes. UTF-8, with a zero behind it; it belongs to the task.
 * NULL for NULL.
 */
const char *codegeex_task_tail(const struct codegeex_task *task,
                               size_t *len);

/**
 * The name of the language of the answer. UTF-8, with a zero behind it; it belongs to the task.
 * NULL for NULL.
 */
const char *codegeex_task_language(const struct codegeex_task *task, size_t *len);

/**
 * How many stop strings a task has; 0 for NULL.
 */
size_t codegeex_task_stops(const struct codegeex_task *task);

/**
 * A stop string of a task: where a completion goes on with something else. UTF-8, with a zero
 * behind it; it belongs to the task. NULL for NULL or an index out of range.
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
 * The name of a language by its index from 0, such as `python`; a static string. NULL for an index
 * out of range.
 */
const char *codegeex_language_name(size_t index);

/**
 * The tag line of a language by its index from 0, such as `# language: Python`; a static string.
 * NULL for an index out of range.
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
 * The prompt for completing code in a language, by its name: the tag line, then the code so far.
 *
 * `prompt` receives `prompt_len` bytes, with a zero behind them; free it with codegeex_free.
 */
codegeex_status codegeex_prompt_generation(const char *language,
                                           size_t language_len,
                                           const char *code,
                                           size_t code_len,
                                           char **prompt,
                                           size_t *prompt_len,
                                           struct codegeex_error **error);

/**
 * Puts an input into the places of a template: `<INPUT>` stands for the whole of it, `<INPUT:a,b>`
 * for its lines from a up to, but without, b.
 *
 * `prompt` receives `prompt_len` bytes, with a zero behind them; free it with codegeex_free.
 */
codegeex_status codegeex_template_expand(const char *template_,
                                         size_t template_len,
                                         const char *input,
                                         size_t input_len,
                                         char **prompt,
                                         size_t *prompt_len,
                                         struct codegeex_error **error);

/**
 * Makes options: greedy, 128 new tokens, one sample, no stop strings.
 */
codegeex_status codegeex_generate_options_new(struct codegeex_generate_options **options,
                                              struct codegeex_error **error);

/**
 * Makes options that are as these are now.
 */
codegeex_status codegeex_generate_options_clone(const struct codegeex_generate_options *options,
                                                struct codegeex_generate_options **clone,
                                                struct codegeex_error **error);

/**
 * Sets an option by its key, both as text. A value that is refused changes nothing. Keys and how
 * their values are written: codegeex_generate_options_key.
 */
codegeex_status codegeex_generate_options_set(struct codegeex_generate_options *options,
                                              const char *key,
                                              size_t key_len,
                                              const char *value,
                                              size_t value_len,
                                              struct codegeex_error **error);

/**
 * The value of an option as text, such as codegeex_generate_options_set takes.
 *
 * `value` receives `value_len` bytes, with a zero behind them; free it with codegeex_free.
 */
codegeex_status codegeex_generate_options_get(const struct codegeex_generate_options *options,
                                              const char *key,
                                              size_t key_len,
                                              char **value,
                                              size_t *value_len,
                                              struct codegeex_error **error);

/**
 * The key of an option by its index from 0, a static string, or NULL past the last. `help`, unless
 * NULL, receives a static string that says what it is.
 */
const char *codegeex_generate_options_key(size_t index, const char **help);

/**
 * New tokens at most.
 */
codegeex_status codegeex_generate_options_set_max_new_tokens(struct codegeex_generate_options *options,
                                                             size_t max_new_tokens,
                                                             struct codegeex_error **error);

/**
 * Divides the logits; 0 means greedy, and top-k, top-p, min-p, typical-p and the seed do nothing
 * then.
 */
codegeex_status codegeex_generate_options_set_temperature(struct codegeex_generate_options *options,
                                                          float temperature,
                                                          struct codegeex_error **error);

/**
 * Candidates to keep; 0 means all.
 */
codegeex_status codegeex_generate_options_set_top_k(struct codegeex_generate_options *options,
                                                    size_t top_k,
                                                    struct codegeex_error **error);

/**
 * Probability mass to keep, above 0 and up to 1; 1 means all.
 */
codegeex_status codegeex_generate_options_set_top_p(struct codegeex_generate_options *options,
                                                    float top_p,
                                                    struct codegeex_error **error);

/**
 * Candidates to keep: those at least this share as likely as the likeliest; 0 means all.
 */
codegeex_status codegeex_generate_options_set_min_p(struct codegeex_generate_options *options,
                                                    float min_p,
                                                    struct codegeex_error **error);

/**
 * Probability mass of the most typical candidates to keep; 1 means all.
 */
codegeex_status codegeex_generate_options_set_typical_p(struct codegeex_generate_options *options,
                                                        float typical_p,
                                                        struct codegeex_error **error);

/**
 * Divides positive logits of ids in the prompt or the generated text, and multiplies negative ones;
 * 1 means none.
 */
codegeex_status codegeex_generate_options_set_repetition_penalty(struct codegeex_generate_options *options,
                                                                 float repetition_penalty,
                                                                 struct codegeex_error **error);

/**
 * Subtracted once from the logits of generated ids; 0 means none.
 */
codegeex_status codegeex_generate_options_set_presence_penalty(struct codegeex_generate_options *options,
                                                               float presence_penalty,
                                                               struct codegeex_error **error);

/**
 * Subtracted from the logits of generated ids for each time that they were; 0 means none.
 */
codegeex_status codegeex_generate_options_set_frequency_penalty(struct codegeex_generate_options *options,
                                                                float frequency_penalty,
                                                                struct codegeex_error **error);

/**
 * Decides the draws, together with the number of the sample and of the token.
 */
codegeex_status codegeex_generate_options_set_seed(struct codegeex_generate_options *options,
                                                   uint64_t seed,
                                                   struct codegeex_error **error);

/**
 * Number of the first sample, for the draws: samples 0 to 9 and 10 to 19 of two calls are those of one
 * call for 0 to 19.
 */
codegeex_status codegeex_generate_options_set_first_sample(struct codegeex_generate_options *options,
                                                           uint32_t first_sample,
                                                           struct codegeex_error **error);

/**
 * Completions of the one prompt, which is computed once for all: 1 to 1024.
 */
codegeex_status codegeex_generate_options_set_samples(struct codegeex_generate_options *options,
                                                      size_t samples,
                                                      struct codegeex_error **error);

/**
 * Also reports the likeliest tokens at each place, so many of them, before any sampler.
 */
codegeex_status codegeex_generate_options_set_top_logprobs(struct codegeex_generate_options *options,
                                                           size_t top_logprobs,
                                                           struct codegeex_error **error);

/**
 * Threads that compute at most; 0 means all that the model has.
 */
codegeex_status codegeex_generate_options_set_threads(struct codegeex_generate_options *options,
                                                      size_t threads,
                                                      struct codegeex_error **error);

/**
 * Ends the generation so many milliseconds after it began, with what there is by then; 0 means never.
 */
codegeex_status codegeex_generate_options_set_timeout_ms(struct codegeex_generate_options *options,
                                                         uint64_t timeout_ms,
                                                         struct codegeex_error **error);

/**
 * Tokens of the prompt that may be computed; those that a session or a service has already do not
 * count. SIZE_MAX means all.
 */
codegeex_status codegeex_generate_options_set_prefill_limit(struct codegeex_generate_options *options,
                                                            size_t prefill_limit,
                                                            struct codegeex_error **error);

/**
 * Ids with what is added to their logits, in place of those that were set before: `biases_len` ids
 * and as many numbers. Negative infinity bans an id.
 */
codegeex_status codegeex_generate_options_set_logit_bias(struct codegeex_generate_options *options,
                                                         const uint32_t *ids,
                                                         const float *biases,
                                                         size_t biases_len,
                                                         struct codegeex_error **error);

/**
 * Ids that are never drawn, in place of those that were set before.
 */
codegeex_status codegeex_generate_options_set_banned_ids(struct codegeex_generate_options *options,
                                                         const uint32_t *ids,
                                                         size_t ids_len,
                                                         struct codegeex_error **error);

/**
 * Adds a text that ends a completion. It is not part of the completion's text.
 */
codegeex_status codegeex_generate_options_add_stop(struct codegeex_generate_options *options,
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
 * Where code of a language, by its name, ends a completion: the first of `rules` that fires, names
 * with commas between: `line`, `block`, `function`, `unindented`, `humaneval`. Empty rules mean no
 * end by code. No token is drawn after the one that decides it.
 */
codegeex_status codegeex_generate_options_set_stop_at(struct codegeex_generate_options *options,
                                                      const char *language,
                                                      size_t language_len,
                                                      const char *rules,
                                                      size_t rules_len,
                                                      struct codegeex_error **error);

/**
 * Token healing: whether the last tokens of the prompt are taken back and drawn again among those
 * that agree with its bytes, so that a prompt may end inside a word or a run of spaces; nonzero is
 * yes.
 */
codegeex_status codegeex_generate_options_set_heal(struct codegeex_generate_options *options,
                                                   int32_t heal,
                                                   struct codegeex_error **error);

/**
 * Takes all stop strings away.
 */
codegeex_status codegeex_generate_options_clear_stop(struct codegeex_generate_options *options,
                                                     struct codegeex_error **error);

/**
 * What a special token spelled out in the prompt means: one of `CODEGEEX_SPECIAL_*`.
 */
codegeex_status codegeex_generate_options_set_special_tokens(struct codegeex_generate_options *options,
                                                             int32_t special,
                                                             struct codegeex_error **error);

/**
 * Guesses at the next tokens from the text so far, up to `tokens` a step; 0 means none. They change
 * the time that an answer takes, and not the answer.
 */
codegeex_status codegeex_generate_options_set_speculation_lookup(struct codegeex_generate_options *options,
                                                                 size_t tokens,
                                                                 struct codegeex_error **error);

/**
 * Guesses at the next tokens by a smaller model with the same vocabulary, up to `tokens` a step; 0
 * means none. They change the time that an answer takes, and not the answer. The options keep the
 * model.
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
 * The name of a reason: `end_of_text`, `stop`, `length`, `context_full`, `cancelled`, `deadline`,
 * `prefill_limit`, and of the rules of code `end_of_line`, `end_of_block`, `end_of_function`,
 * `unindented_line`, `humaneval`; a static string. `none` for CODEGEEX_FINISH_NONE, `other` for what is none.
 */
const char *codegeex_finish_reason_name(int32_t reason);

/**
 * How many there are; 0 for NULL.
 */
size_t codegeex_completions_count(const struct codegeex_completions *completions);

/**
 * The text of one, UTF-8, with a zero behind it, without the stop string that ended it. It belongs
 * to the completions. NULL for NULL or an index out of range.
 */
const char *codegeex_completions_text(const struct codegeex_completions *completions,
                                      size_t index,
                                      size_t *len);

/**
 * The tokens of one, those of the stop string and the end of text included. They belong to the completions. NULL for
 * NULL or an index out of range.
 */
const uint32_t *codegeex_completions_ids(const struct codegeex_completions *completions,
                                         size_t index,
                                         size_t *len);

/**
 * The log-probability of each token of one under the model, before any sampler. They belong to the
 * completions. NULL for NULL or an index out of range.
 */
const float *codegeex_completions_logprobs(const struct codegeex_completions *completions,
                                           size_t index,
                                           size_t *len);

/**
 * The likeliest tokens in the place of token `token` of one, best first, as many as the options
 * asked for. They belong to the completions. NULL for NULL or an index out of range, and where none
 * were asked for.
 */
const struct codegeex_token_logprob *codegeex_completions_top_logprobs(const struct codegeex_completions *completions,
                                                                       size_t index,
                                                                       size_t token,
                                                                       size_t *len);

/**
 * Why one ended: one of `CODEGEEX_FINISH_*`; CODEGEEX_FINISH_NONE for NULL or an index out of range.
 */
int32_t codegeex_completions_finish_reason(const struct codegeex_completions *completions,
                                           size_t index);

/**
 * The index in the options of the stop string that ended one; SIZE_MAX where none did.
 */
size_t codegeex_completions_stop_index(const struct codegeex_completions *completions,
                                       size_t index);

/**
 * For a beam its score by the rules of the search, for a sample the sum of its log-probabilities. 0
 * for NULL or an index out of range.
 */
double codegeex_completions_score(const struct codegeex_completions *completions, size_t index);

/**
 * How many tokens of one were guessed by speculation; 0 for NULL or an index out of range.
 */
size_t codegeex_completions_drafted(const struct codegeex_completions *completions, size_t index);

/**
 * How many of the guessed tokens of one the model chose as well; 0 for NULL or an index out of
 * range.
 */
size_t codegeex_completions_accepted(const struct codegeex_completions *completions, size_t index);

/**
 * How many bytes of the prompt the first tokens of one stand for, where the options heal: its text
 * begins after them. 0 for NULL or an index out of range.
 */
size_t codegeex_completions_healed(const struct codegeex_completions *completions, size_t index);

/**
 * Frees completions and what they lent. NULL is allowed.
 */
void codegeex_completions_free(struct codegeex_completions *completions);

/**
 * Completes a prompt and reports every token as it is drawn.
 *
 * `options`, `cancel`, `callback` and `completions` may be NULL. When the callback returns nonzero,
 * or `cancel` is set by any thread, the call succeeds with what was generated so far, and the
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
 * Makes options: four beams, 128 new tokens, the rules of the reference, no stop strings.
 */
codegeex_status codegeex_beam_options_new(struct codegeex_beam_options **options,
                                          struct codegeex_error **error);

/**
 * Sets an option by its key, both as text. A value that is refused changes nothing.
 */
codegeex_status codegeex_beam_options_set(struct codegeex_beam_options *options,
                                          const char *key,
                                          size_t key_len,
                                          const char *value,
                                          size_t value_len,
                                          struct codegeex_error **error);

/**
 * The value of an option as text, such as codegeex_beam_options_set takes.
 *
 * `value` receives `value_len` bytes, with a zero behind them; free it with codegeex_free.
 */
codegeex_status codegeex_beam_options_get(const struct codegeex_beam_options *options,
                                          const char *key,
                                          size_t key_len,
                                          char **value,
                                          size_t *value_len,
                                          struct codegeex_error **error);

/**
 * The key of an option by its index from 0, a static string, or NULL past the last. `help`, unless
 * NULL, receives a static string that says what it is.
 */
const char *codegeex_beam_options_key(size_t index, const char **help);

/**
 * Beams that run at a time and results at most: 1 to 1024.
 */
codegeex_status codegeex_beam_options_set_num_beams(struct codegeex_beam_options *options,
                                                    size_t num_beams,
                                                    struct codegeex_error **error);

/**
 * New tokens at most.
 */
codegeex_status codegeex_beam_options_set_max_new_tokens(struct codegeex_beam_options *options,
                                                         size_t max_new_tokens,
                                                         struct codegeex_error **error);

/**
 * How beams are scored and when a search ends: one of `CODEGEEX_BEAM_RULES_*`.
 */
codegeex_status codegeex_beam_options_set_rules(struct codegeex_beam_options *options,
                                                int32_t rules,
                                                struct codegeex_error **error);

/**
 * With the rules of Hugging Face: the power of the length that divides a score, from -64 to 64; 1
 * unless set.
 */
codegeex_status codegeex_beam_options_set_length_penalty(struct codegeex_beam_options *options,
                                                         float length_penalty,
                                                         struct codegeex_error **error);

/**
 * With the rules of Hugging Face: one of `CODEGEEX_EARLY_STOPPING_*`.
 */
codegeex_status codegeex_beam_options_set_early_stopping(struct codegeex_beam_options *options,
                                                         int32_t early_stopping,
                                                         struct codegeex_error **error);

/**
 * Adds a text that ends a beam.
 */
codegeex_status codegeex_beam_options_add_stop(struct codegeex_beam_options *options,
                                               const char *text,
                                               size_t text_len,
                                               struct codegeex_error **error);

/**
 * Ids that no beam contains, in place of those that were set before.
 */
codegeex_status codegeex_beam_options_set_banned_ids(struct codegeex_beam_options *options,
                                                     const uint32_t *ids,
                                                     size_t ids_len,
                                                     struct codegeex_error **error);

/**
 * What a special token spelled out in the prompt means: one of `CODEGEEX_SPECIAL_*`.
 */
codegeex_status codegeex_beam_options_set_special_tokens(struct codegeex_beam_options *options,
                                                         int32_t special,
                                                         struct codegeex_error **error);

/**
 * Frees options. NULL is allowed.
 */
void codegeex_beam_options_free(struct codegeex_beam_options *options);

/**
 * Searches for the likeliest continuations of a prompt: at most as many as there are beams, best
 * first. Once `cancel` is set, the beams of that moment are the result.
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
 * Scores tokens, and ranks the `top` likeliest ids to follow them. `cancel` may be NULL; a call that
 * is cancelled is CODEGEEX_CANCELLED.
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
 * The likeliest ids to follow the last token, best first. They belong to the score. NULL for NULL.
 */
const struct codegeex_token_logprob *codegeex_score_top(const struct codegeex_score *score,
                                                        size_t *len);

/**
 * Frees a score. NULL is allowed.
 */
void codegeex_score_free(struct codegeex_score *score);

/**
 * Perplexity of any number of tokens, at least two, in windows as long as the model has positions:
 * the exponential of the mean negative log-probability.
 *
 * `cancel` and `progress` may be NULL; `progress` hears tokens. `value` receives the perplexity;
 * `log_probability` and `tokens`, which may be NULL, the sum of log-probabilities and how many
 * tokens were predicted. A call that is cancelled is CODEGEEX_CANCELLED.
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
 * Makes a session that was fed nothing. It keeps the model.
 */
codegeex_status codegeex_session_new(const struct codegeex_model *model,
                                     struct codegeex_session **session,
                                     struct codegeex_error **error);

/**
 * Completes a prompt, as codegeex_model_generate does. Afterwards the session keeps the prompt and
 * what the first sample was fed.
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
 * The tokens whose keys and values are kept.
 *
 * `ids` receives an array of `ids_len` ids; free it with codegeex_free.
 */
codegeex_status codegeex_session_ids(const struct codegeex_session *session,
                                     uint32_t **ids,
                                     size_t *ids_len,
                                     struct codegeex_error **error);

/**
 * How many tokens of the last prompt did not have to be computed; 0 for NULL and while a call runs.
 */
size_t codegeex_session_reused(const struct codegeex_session *session);

/**
 * How many tokens of the last prompt were computed; 0 for NULL and while a call runs.
 */
size_t codegeex_session_computed(const struct codegeex_session *session);

/**
 * Bytes of keys and values that are kept; 0 for NULL and while a call runs.
 */
size_t codegeex_session_bytes(const struct codegeex_session *session);

/**
 * Forgets all but the first `tokens`; more than there are changes nothing.
 */
codegeex_status codegeex_session_truncate(struct codegeex_session *session,
                                          size_t tokens,
                                          struct codegeex_error **error);

/**
 * Saves what the session keeps to a file, which is complete or as before; nobody else may read it.
 */
codegeex_status codegeex_session_save_file(const struct codegeex_session *session,
                                           const char *path,
                                           size_t path_len,
                                           struct codegeex_error **error);

/**
 * Saves what the session keeps to memory.
 *
 * `bytes` receives an array of `bytes_len` bytes; free it with codegeex_free.
 */
codegeex_status codegeex_session_save(const struct codegeex_session *session,
                                      uint8_t **bytes,
                                      size_t *bytes_len,
                                      struct codegeex_error **error);

/**
 * Reads a session from a file that a model with the same fingerprint saved. It goes on with the
 * same bits.
 *
 * `session` receives a handle; free it with codegeex_session_free.
 */
codegeex_status codegeex_session_restore_file(const struct codegeex_model *model,
                                              const char *path,
                                              size_t path_len,
                                              struct codegeex_session **session,
                                              struct codegeex_error **error);

/**
 * Reads a session from memory, as codegeex_session_restore_file does from a file.
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
 * Makes options: 64 tokens at most, healed, all post-processing.
 */
codegeex_status codegeex_edit_options_new(struct codegeex_edit_options **options,
                                          struct codegeex_error **error);

/**
 * Sets an option by its key, both as text. A value that is refused changes nothing.
 */
codegeex_status codegeex_edit_options_set(struct codegeex_edit_options *options,
                                          const char *key,
                                          size_t key_len,
                                          const char *value,
                                          size_t value_len,
                                          struct codegeex_error **error);

/**
 * The value of an option as text, such as codegeex_edit_options_set takes.
 *
 * `value` receives `value_len` bytes, with a zero behind them; free it with codegeex_free.
 */
codegeex_status codegeex_edit_options_get(const struct codegeex_edit_options *options,
                                          const char *key,
                                          size_t key_len,
                                          char **value,
                                          size_t *value_len,
                                          struct codegeex_error **error);

/**
 * The key of an option by its index from 0, a static string, or NULL past the last. `help`, unless
 * NULL, receives a static string that says what it is.
 */
const char *codegeex_edit_options_key(size_t index, const char **help);

/**
 * How suggestions are generated, in place of 64 tokens at most and healed. Text is only ever text
 * here, whatever these options say of special tokens.
 */
codegeex_status codegeex_edit_options_set_generate(struct codegeex_edit_options *options,
                                                   const struct codegeex_generate_options *generate,
                                                   struct codegeex_error **error);

/**
 * Frees options. NULL is allowed.
 */
void codegeex_edit_options_free(struct codegeex_edit_options *options);

/**
 * Makes an edit session for a language, by its name. `options` may be NULL.
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
 * Takes the text in, as it is now before and after the cursor. Computes nothing. `update` may be
 * NULL.
 */
codegeex_status codegeex_edit_session_update(struct codegeex_edit_session *session,
                                             const char *before,
                                             size_t before_len,
                                             const char *after,
                                             size_t after_len,
                                             struct codegeex_edit_update *update,
                                             struct codegeex_error **error);

/**
 * Suggests what might follow the cursor: what there is already and agrees with the text, or else
 * what the model says. The callback hears of that as it comes, before post-processing. Cancelled, it
 * suggests what there is by then.
 *
 * `cancel` and `callback` may be NULL. `count` receives how many suggestions there are, best first;
 * read them with codegeex_edit_session_suggestion.
 */
codegeex_status codegeex_edit_session_suggest(struct codegeex_edit_session *session,
                                              const struct codegeex_cancel_token *cancel,
                                              codegeex_event_callback callback,
                                              void *userdata,
                                              size_t *count,
                                              struct codegeex_error **error);

/**
 * The suggestions that agree with the text as it is now; 0 for NULL and while a call runs.
 */
size_t codegeex_edit_session_suggestions(const struct codegeex_edit_session *session);

/**
 * What of a suggestion, by its index from 0, is not typed or accepted yet.
 *
 * `text` receives `text_len` bytes, with a zero behind them; free it with codegeex_free.
 */
codegeex_status codegeex_edit_session_suggestion(const struct codegeex_edit_session *session,
                                                 size_t index,
                                                 char **text,
                                                 size_t *text_len,
                                                 struct codegeex_error **error);

/**
 * Accepts the best suggestion or a part of it, one of `CODEGEEX_ACCEPT_*`, as if it were typed.
 *
 * `text` receives the `text_len` bytes that were inserted, none where there is no suggestion, with a
 * zero behind them; free it with codegeex_free.
 */
codegeex_status codegeex_edit_session_accept(struct codegeex_edit_session *session,
                                             int32_t accept,
                                             char **text,
                                             size_t *text_len,
                                             struct codegeex_error **error);

/**
 * Drops the suggestions, so that the next ones are computed.
 */
codegeex_status codegeex_edit_session_dismiss(struct codegeex_edit_session *session,
                                              struct codegeex_error **error);

/**
 * Frees an edit session. NULL is allowed.
 */
void codegeex_edit_session_free(struct codegeex_edit_session *session);

/**
 * Makes an empty state.
 */
codegeex_status codegeex_state_new(const struct codegeex_model *model,
                                   struct codegeex_state **state,
                                   struct codegeex_error **error);

/**
 * Feeds the tokens of a prompt, however many, a part at a time. No logits are computed: feed the
 * last token with codegeex_state_decode.
 *
 * After an error the state has the parts that were fed before it. `cancel` may be NULL.
 */
codegeex_status codegeex_state_prefill(struct codegeex_state *state,
                                       const uint32_t *ids,
                                       size_t ids_len,
                                       const struct codegeex_cancel_token *cancel,
                                       struct codegeex_error **error);

/**
 * Feeds one or more tokens and returns the logits that are wanted: one of `CODEGEEX_LOGITS_*`. In
 * any split of the tokens the logits are the same to the bit. After an error the state is as before.
 *
 * `cancel` may be NULL. `logits` receives a handle, with no rows where none are wanted; free it
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
 * Feeds one token to each of several states of one model in one call, which reads the weights once
 * for all: state `i` gets `ids[i]`. The states have to be different ones.
 *
 * `cancel` may be NULL. `logits` receives a handle whose row `i` follows `ids[i]`; free it with
 * codegeex_logits_free. After an error all states are as before.
 */
codegeex_status codegeex_states_decode(struct codegeex_state *const *states,
                                       const uint32_t *ids,
                                       size_t states_len,
                                       const struct codegeex_cancel_token *cancel,
                                       struct codegeex_logits **logits,
                                       struct codegeex_error **error);

/**
 * Tokens that a state was fed, which is the position of the next one; 0 for NULL and while a call
 * runs.
 */
size_t codegeex_state_len(const struct codegeex_state *state);

/**
 * Bytes of memory, those shared with forks counted in full; 0 for NULL and while a call runs.
 */
size_t codegeex_state_bytes(const struct codegeex_state *state);

/**
 * Forgets all but the first `tokens`; more than there are changes nothing.
 */
codegeex_status codegeex_state_truncate(struct codegeex_state *state,
                                        size_t tokens,
                                        struct codegeex_error **error);

/**
 * A second state with the same tokens. Memory is shared until one of the two is fed.
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
 * Reads a state from memory that a model with the same fingerprint saved. It goes on with the same
 * bits.
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
 * How many rows there are; 0 for NULL.
 */
size_t codegeex_logits_rows(const struct codegeex_logits *logits);

/**
 * How many logits a row has; 0 for NULL.
 */
size_t codegeex_logits_vocab_size(const struct codegeex_logits *logits);

/**
 * A row of logits. They belong to the handle. NULL for NULL or a row out of range.
 */
const float *codegeex_logits_row(const struct codegeex_logits *logits, size_t row, size_t *len);

/**
 * The log-probability of an id after a row.
 */
codegeex_status codegeex_logits_log_probability(const struct codegeex_logits *logits,
                                                size_t row,
                                                uint32_t id,
                                                float *logprob,
                                                struct codegeex_error **error);

/**
 * The `count` likeliest ids after a row with their log-probabilities, best first.
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
 * Makes options: every type as it is, nothing quantized, no file replaced.
 */
codegeex_status codegeex_convert_options_new(struct codegeex_convert_options **options,
                                             struct codegeex_error **error);

/**
 * Sets an option by its key, both as text. A value that is refused changes nothing.
 */
codegeex_status codegeex_convert_options_set(struct codegeex_convert_options *options,
                                             const char *key,
                                             size_t key_len,
                                             const char *value,
                                             size_t value_len,
                                             struct codegeex_error **error);

/**
 * The value of an option as text, such as codegeex_convert_options_set takes.
 *
 * `value` receives `value_len` bytes, with a zero behind them; free it with codegeex_free.
 */
codegeex_status codegeex_convert_options_get(const struct codegeex_convert_options *options,
                                             const char *key,
                                             size_t key_len,
                                             char **value,
                                             size_t *value_len,
                                             struct codegeex_error **error);

/**
 * The key of an option by its index from 0, a static string, or NULL past the last. `help`, unless
 * NULL, receives a static string that says what it is.
 */
const char *codegeex_convert_options_key(size_t index, const char **help);

/**
 * The element type of every tensor that is not quantized, by name: `keep`, `f32`, `f16` or `bf16`.
 */
codegeex_status codegeex_convert_options_set_dtype(struct codegeex_convert_options *options,
                                                   const char *name,
                                                   size_t name_len,
                                                   struct codegeex_error **error);

/**
 * What the linear layers are quantized to, by name: `none`, `int8` or `int4`.
 */
codegeex_status codegeex_convert_options_set_quantize(struct codegeex_convert_options *options,
                                                      const char *name,
                                                      size_t name_len,
                                                      struct codegeex_error **error);

/**
 * Whether the word embedding, which is the LM head as well, is quantized to eight bits: nonzero is
 * yes.
 */
codegeex_status codegeex_convert_options_set_quantize_head(struct codegeex_convert_options *options,
                                                           int32_t quantize,
                                                           struct codegeex_error **error);

/**
 * Threads that quantize; 0 means one for each core that the process may use.
 */
codegeex_status codegeex_convert_options_set_threads(struct codegeex_convert_options *options,
                                                     size_t threads,
                                                     struct codegeex_error **error);

/**
 * Whether a file that is there already may be replaced, as a whole and at the end: nonzero is yes.
 */
codegeex_status codegeex_convert_options_set_overwrite(struct codegeex_convert_options *options,
                                                       int32_t overwrite,
                                                       struct codegeex_error **error);

/**
 * Frees options. NULL is allowed.
 */
void codegeex_convert_options_free(struct codegeex_convert_options *options);

/**
 * Converts a checkpoint in any form into one safetensors file, quantized if the options say so. A
 * call that fails or is cancelled, which is CODEGEEX_CANCELLED, leaves `out` as it was.
 *
 * Of `open_options`, which may be NULL as may `options`, `cancel` and `progress`, memory and
 * configuration count. `progress` hears bytes that were written, and of how many.
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
 * Makes options: 64 sequences at once, 8 kept prompts, 1024 requests that wait, no limit of memory.
 */
codegeex_status codegeex_service_options_new(struct codegeex_service_options **options,
                                             struct codegeex_error **error);

/**
 * Sets an option by its key, both as text. A value that is refused changes nothing.
 */
codegeex_status codegeex_service_options_set(struct codegeex_service_options *options,
                                             const char *key,
                                             size_t key_len,
                                             const char *value,
                                             size_t value_len,
                                             struct codegeex_error **error);

/**
 * The value of an option as text, such as codegeex_service_options_set takes.
 *
 * `value` receives `value_len` bytes, with a zero behind them; free it with codegeex_free.
 */
codegeex_status codegeex_service_options_get(const struct codegeex_service_options *options,
                                             const char *key,
                                             size_t key_len,
                                             char **value,
                                             size_t *value_len,
                                             struct codegeex_error **error);

/**
 * The key of an option by its index from 0, a static string, or NULL past the last. `help`, unless
 * NULL, receives a static string that says what it is.
 */
const char *codegeex_service_options_key(size_t index, const char **help);

/**
 * Sequences that are computed together at most, at least 1.
 */
codegeex_status codegeex_service_options_set_sequences(struct codegeex_service_options *options,
                                                       size_t sequences,
                                                       struct codegeex_error **error);

/**
 * Tokens of prompts that a step computes at most, at least 1.
 */
codegeex_status codegeex_service_options_set_prefill_tokens(struct codegeex_service_options *options,
                                                            size_t prefill_tokens,
                                                            struct codegeex_error **error);

/**
 * Prompts that are kept after they were computed, for requests that begin the same.
 */
codegeex_status codegeex_service_options_set_prefixes(struct codegeex_service_options *options,
                                                      size_t prefixes,
                                                      struct codegeex_error **error);

/**
 * Requests that wait at most.
 */
codegeex_status codegeex_service_options_set_waiting(struct codegeex_service_options *options,
                                                     size_t waiting,
                                                     struct codegeex_error **error);

/**
 * Bytes of KV cache that may be planned for; UINT64_MAX means no limit but the model's. Unless it is
 * set, half of what the system has available when the service is made.
 */
codegeex_status codegeex_service_options_set_cache_bytes(struct codegeex_service_options *options,
                                                         uint64_t cache_bytes,
                                                         struct codegeex_error **error);

/**
 * Frees options. NULL is allowed.
 */
void codegeex_service_options_free(struct codegeex_service_options *options);

/**
 * Starts a service. `options` may be NULL. It keeps the model.
 */
codegeex_status codegeex_service_new(const struct codegeex_model *model,
                                     const struct codegeex_service_options *options,
                                     struct codegeex_service **service,
                                     struct codegeex_error **error);

/**
 * Hands a request in, for a prompt of text. `options` and `cancel` may be NULL. `when_full` is one of
 * `CODEGEEX_WHEN_FULL_*`. A service with too many waiting requests is CODEGEEX_BUSY; what is wrong
 * with the request itself comes with the end of the ticket.
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
 * Cancels what is under way, waits for the service's thread to end and frees the service. Tickets
 * still get their last events. NULL is allowed.
 */
void codegeex_service_free(struct codegeex_service *service);

/**
 * What happens next to a request: with `wait` nonzero waits for it, otherwise an event of the kind
 * CODEGEEX_EVENT_NONE says that there is nothing yet. After CODEGEEX_EVENT_DONE there is nothing but
 * that.
 *
 * Set `event->struct_size` to `sizeof` before. What the event points to is valid until the next call
 * with this ticket.
 */
codegeex_status codegeex_ticket_next(struct codegeex_ticket *ticket,
                                     int32_t wait,
                                     struct codegeex_event *event,
                                     struct codegeex_error **error);

/**
 * Waits for the end of a request, passing over its events, and fetches all of its samples, or the
 * error that ended it. They can be fetched once.
 *
 * `completions` receives a handle; free it with codegeex_completions_free.
 */
codegeex_status codegeex_ticket_wait(struct codegeex_ticket *ticket,
                                     struct codegeex_completions **completions,
                                     struct codegeex_error **error);

/**
 * Ends a request. It still gets its last events. Any thread may call it, while another waits too.
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
