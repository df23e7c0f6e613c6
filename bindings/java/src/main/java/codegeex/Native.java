package codegeex;

import static java.lang.foreign.MemoryLayout.PathElement.groupElement;

import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.StructLayout;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;

/** The functions, structs and numbers of codegeex.h. Generated: see generate.sh. */
final class Native {
    static final ValueLayout.OfInt I = ValueLayout.JAVA_INT;
    static final ValueLayout.OfLong L = ValueLayout.JAVA_LONG;
    static final ValueLayout.OfFloat F = ValueLayout.JAVA_FLOAT;
    static final ValueLayout.OfDouble D = ValueLayout.JAVA_DOUBLE;
    static final java.lang.foreign.AddressLayout P = ValueLayout.ADDRESS;

    private static final SymbolLookup LIBRARY = Library.open();

    private Native() {}

    private static MethodHandle link(String name, MemoryLayout result, MemoryLayout... of) {
        return link(name, FunctionDescriptor.of(result, of));
    }

    private static MethodHandle linkVoid(String name, MemoryLayout... of) {
        return link(name, FunctionDescriptor.ofVoid(of));
    }

    private static MethodHandle link(String name, FunctionDescriptor descriptor) {
        MemorySegment at = LIBRARY.find("codegeex_" + name)
                .orElseThrow(() -> new UnsatisfiedLinkError(
                        "the library has no codegeex_" + name + "; it is older than this package"));
        return Linker.nativeLinker().downcallHandle(at, descriptor);
    }

    private static AssertionError impossible(Throwable thrown) {
        return new AssertionError("a downcall does not throw", thrown);
    }

    static final int VERSION_MAJOR = 0;
    static final int VERSION_MINOR = 1;
    static final int VERSION_PATCH = 0;
    static final int ABI_MAJOR = 0;
    static final int ABI_MINOR = 1;
    static final int LOG_ERROR = 1;
    static final int LOG_WARNING = 2;
    static final int LOG_INFO = 3;
    static final int LOG_DEBUG = 4;
    static final int SPECIAL_AS_TEXT = 0;
    static final int SPECIAL_PARSE = 1;
    static final int INVALID_UTF8_REPLACE = 0;
    static final int INVALID_UTF8_REFUSE = 1;
    static final int MEMORY_MAP = 0;
    static final int MEMORY_COPY = 1;
    static final int MEMORY_LOCK = 2;
    static final int CODE_BLANK = 0;
    static final int CODE_NEWLINE = 1;
    static final int CODE_WORD = 2;
    static final int CODE_OPENER = 3;
    static final int CODE_CLOSER = 4;
    static final int CODE_STRAY = 5;
    static final int CODE_SYMBOL = 6;
    static final int CODE_STRING = 7;
    static final int CODE_COMMENT = 8;
    static final int INDENT_TABS = 0;
    static final int INDENT_UNKNOWN = -1;
    static final int EVENT_NONE = 0;
    static final int EVENT_TOKEN = 1;
    static final int EVENT_END = 2;
    static final int EVENT_DONE = 3;
    static final int FINISH_NONE = 0;
    static final int FINISH_END_OF_TEXT = 1;
    static final int FINISH_STOP = 2;
    static final int FINISH_LENGTH = 3;
    static final int FINISH_CONTEXT_FULL = 4;
    static final int FINISH_CANCELLED = 5;
    static final int FINISH_DEADLINE = 6;
    static final int FINISH_PREFILL_LIMIT = 7;
    static final int FINISH_OTHER = 8;
    static final int FINISH_END_OF_LINE = 9;
    static final int FINISH_END_OF_BLOCK = 10;
    static final int FINISH_END_OF_FUNCTION = 11;
    static final int FINISH_UNINDENTED_LINE = 12;
    static final int FINISH_HUMANEVAL = 13;
    static final int ACCEPT_WORD = 0;
    static final int ACCEPT_LINE = 1;
    static final int ACCEPT_ALL = 2;
    static final int LOGITS_NONE = 0;
    static final int LOGITS_LAST = 1;
    static final int LOGITS_ALL = 2;
    static final int WHEN_FULL_WAIT = 0;
    static final int WHEN_FULL_REFUSE = 1;
    static final int OK = 0;
    static final int INVALID_ARGUMENT = 100;
    static final int TOKEN_OUT_OF_RANGE = 101;
    static final int CONTEXT_OVERFLOW = 102;
    static final int STATE_MISMATCH = 103;
    static final int IO = 200;
    static final int NOT_FOUND = 201;
    static final int MALFORMED_FILE = 300;
    static final int UNSUPPORTED_FILE = 301;
    static final int MISSING_TENSOR = 302;
    static final int SHAPE_MISMATCH = 303;
    static final int MISSING_CONFIG = 304;
    static final int INVALID_CONFIG = 305;
    static final int INVALID_UTF8 = 400;
    static final int INVALID_VOCABULARY = 401;
    static final int NON_FINITE = 500;
    static final int OUT_OF_MEMORY = 501;
    static final int BACKEND_UNAVAILABLE = 502;
    static final int BUSY = 503;
    static final int CANCELLED = 600;
    static final int INTERNAL = 900;
    static final int PANIC = 901;
    static final int POISONED = 902;

    static final class model_info {
        static final StructLayout LAYOUT = MemoryLayout.structLayout(
                L.withName("struct_size"),
                L.withName("num_layers"),
                L.withName("hidden_size"),
                L.withName("num_attention_heads"),
                L.withName("num_kv_heads"),
                L.withName("vocab_size"),
                L.withName("max_positions"),
                L.withName("parameters"));
        static final long struct_size = LAYOUT.byteOffset(groupElement("struct_size"));
        static final long num_layers = LAYOUT.byteOffset(groupElement("num_layers"));
        static final long hidden_size = LAYOUT.byteOffset(groupElement("hidden_size"));
        static final long num_attention_heads = LAYOUT.byteOffset(groupElement("num_attention_heads"));
        static final long num_kv_heads = LAYOUT.byteOffset(groupElement("num_kv_heads"));
        static final long vocab_size = LAYOUT.byteOffset(groupElement("vocab_size"));
        static final long max_positions = LAYOUT.byteOffset(groupElement("max_positions"));
        static final long parameters = LAYOUT.byteOffset(groupElement("parameters"));

        private model_info() {}
    }

    static final class memory_estimate {
        static final StructLayout LAYOUT = MemoryLayout.structLayout(
                L.withName("struct_size"),
                L.withName("weights_mapped"),
                L.withName("weights_owned"),
                L.withName("cache_per_token"),
                L.withName("cache"),
                L.withName("scratch"),
                L.withName("total"));
        static final long struct_size = LAYOUT.byteOffset(groupElement("struct_size"));
        static final long weights_mapped = LAYOUT.byteOffset(groupElement("weights_mapped"));
        static final long weights_owned = LAYOUT.byteOffset(groupElement("weights_owned"));
        static final long cache_per_token = LAYOUT.byteOffset(groupElement("cache_per_token"));
        static final long cache = LAYOUT.byteOffset(groupElement("cache"));
        static final long scratch = LAYOUT.byteOffset(groupElement("scratch"));
        static final long total = LAYOUT.byteOffset(groupElement("total"));

        private memory_estimate() {}
    }

    static final class text {
        static final StructLayout LAYOUT = MemoryLayout.structLayout(
                P.withName("data"),
                L.withName("len"));
        static final long data = LAYOUT.byteOffset(groupElement("data"));
        static final long len = LAYOUT.byteOffset(groupElement("len"));

        private text() {}
    }

    static final class likelihood {
        static final StructLayout LAYOUT = MemoryLayout.structLayout(
                P.withName("logprobs"),
                L.withName("logprobs_len"),
                P.withName("suffix"),
                L.withName("suffix_len"));
        static final long logprobs = LAYOUT.byteOffset(groupElement("logprobs"));
        static final long logprobs_len = LAYOUT.byteOffset(groupElement("logprobs_len"));
        static final long suffix = LAYOUT.byteOffset(groupElement("suffix"));
        static final long suffix_len = LAYOUT.byteOffset(groupElement("suffix_len"));

        private likelihood() {}
    }

    static final class ranked {
        static final StructLayout LAYOUT = MemoryLayout.structLayout(
                L.withName("index"),
                D.withName("score"));
        static final long index = LAYOUT.byteOffset(groupElement("index"));
        static final long score = LAYOUT.byteOffset(groupElement("score"));

        private ranked() {}
    }

    static final class code_token {
        static final StructLayout LAYOUT = MemoryLayout.structLayout(
                L.withName("start"),
                L.withName("len"),
                L.withName("depth"),
                I.withName("kind"),
                I.withName("reserved"));
        static final long start = LAYOUT.byteOffset(groupElement("start"));
        static final long len = LAYOUT.byteOffset(groupElement("len"));
        static final long depth = LAYOUT.byteOffset(groupElement("depth"));
        static final long kind = LAYOUT.byteOffset(groupElement("kind"));
        static final long reserved = LAYOUT.byteOffset(groupElement("reserved"));

        private code_token() {}
    }

    static final class candidate {
        static final StructLayout LAYOUT = MemoryLayout.structLayout(
                I.withName("id"),
                F.withName("logit"));
        static final long id = LAYOUT.byteOffset(groupElement("id"));
        static final long logit = LAYOUT.byteOffset(groupElement("logit"));

        private candidate() {}
    }

    static final class sampler_input {
        static final StructLayout LAYOUT = MemoryLayout.structLayout(
                L.withName("struct_size"),
                P.withName("prompt"),
                L.withName("prompt_len"),
                P.withName("generated"),
                L.withName("generated_len"),
                P.withName("candidates"),
                L.withName("candidates_len"));
        static final long struct_size = LAYOUT.byteOffset(groupElement("struct_size"));
        static final long prompt = LAYOUT.byteOffset(groupElement("prompt"));
        static final long prompt_len = LAYOUT.byteOffset(groupElement("prompt_len"));
        static final long generated = LAYOUT.byteOffset(groupElement("generated"));
        static final long generated_len = LAYOUT.byteOffset(groupElement("generated_len"));
        static final long candidates = LAYOUT.byteOffset(groupElement("candidates"));
        static final long candidates_len = LAYOUT.byteOffset(groupElement("candidates_len"));

        private sampler_input() {}
    }

    static final class token_logprob {
        static final StructLayout LAYOUT = MemoryLayout.structLayout(
                I.withName("id"),
                F.withName("logprob"));
        static final long id = LAYOUT.byteOffset(groupElement("id"));
        static final long logprob = LAYOUT.byteOffset(groupElement("logprob"));

        private token_logprob() {}
    }

    static final class event {
        static final StructLayout LAYOUT = MemoryLayout.structLayout(
                L.withName("struct_size"),
                I.withName("kind"),
                I.withName("finish_reason"),
                L.withName("sample"),
                I.withName("id"),
                F.withName("logprob"),
                P.withName("text"),
                L.withName("text_len"),
                P.withName("top_logprobs"),
                L.withName("top_logprobs_len"),
                L.withName("stop_index"));
        static final long struct_size = LAYOUT.byteOffset(groupElement("struct_size"));
        static final long kind = LAYOUT.byteOffset(groupElement("kind"));
        static final long finish_reason = LAYOUT.byteOffset(groupElement("finish_reason"));
        static final long sample = LAYOUT.byteOffset(groupElement("sample"));
        static final long id = LAYOUT.byteOffset(groupElement("id"));
        static final long logprob = LAYOUT.byteOffset(groupElement("logprob"));
        static final long text = LAYOUT.byteOffset(groupElement("text"));
        static final long text_len = LAYOUT.byteOffset(groupElement("text_len"));
        static final long top_logprobs = LAYOUT.byteOffset(groupElement("top_logprobs"));
        static final long top_logprobs_len = LAYOUT.byteOffset(groupElement("top_logprobs_len"));
        static final long stop_index = LAYOUT.byteOffset(groupElement("stop_index"));

        private event() {}
    }

    static final class edit_update {
        static final StructLayout LAYOUT = MemoryLayout.structLayout(
                L.withName("struct_size"),
                L.withName("clipped_bytes"),
                L.withName("clipped_lines"),
                I.withName("moved"),
                I.withName("is_alive"));
        static final long struct_size = LAYOUT.byteOffset(groupElement("struct_size"));
        static final long clipped_bytes = LAYOUT.byteOffset(groupElement("clipped_bytes"));
        static final long clipped_lines = LAYOUT.byteOffset(groupElement("clipped_lines"));
        static final long moved = LAYOUT.byteOffset(groupElement("moved"));
        static final long is_alive = LAYOUT.byteOffset(groupElement("is_alive"));

        private edit_update() {}
    }

    static final class service_progress {
        static final StructLayout LAYOUT = MemoryLayout.structLayout(
                L.withName("struct_size"),
                L.withName("waiting"),
                L.withName("running"),
                L.withName("sequences"),
                L.withName("cache_bytes"),
                L.withName("reused_tokens"));
        static final long struct_size = LAYOUT.byteOffset(groupElement("struct_size"));
        static final long waiting = LAYOUT.byteOffset(groupElement("waiting"));
        static final long running = LAYOUT.byteOffset(groupElement("running"));
        static final long sequences = LAYOUT.byteOffset(groupElement("sequences"));
        static final long cache_bytes = LAYOUT.byteOffset(groupElement("cache_bytes"));
        static final long reused_tokens = LAYOUT.byteOffset(groupElement("reused_tokens"));

        private service_progress() {}
    }

    private static final MethodHandle status_name =
            link("status_name", P, I);

    static MemorySegment status_name(int status) {
        try {
            return (MemorySegment) status_name.invokeExact(status);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle error_code =
            link("error_code", I, P);

    static int error_code(MemorySegment error) {
        try {
            return (int) error_code.invokeExact(error);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle error_message =
            link("error_message", P, P, P);

    static MemorySegment error_message(MemorySegment error, MemorySegment len) {
        try {
            return (MemorySegment) error_message.invokeExact(error, len);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle error_causes =
            link("error_causes", L, P);

    static long error_causes(MemorySegment error) {
        try {
            return (long) error_causes.invokeExact(error);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle error_cause =
            link("error_cause", P, P, L, P);

    static MemorySegment error_cause(MemorySegment error, long index, MemorySegment len) {
        try {
            return (MemorySegment) error_cause.invokeExact(error, index, len);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle error_free =
            linkVoid("error_free", P);

    static void error_free(MemorySegment error) {
        try {
            error_free.invokeExact(error);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle abi_version =
            link("abi_version", I);

    static int abi_version() {
        try {
            return (int) abi_version.invokeExact();
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle version =
            link("version", P);

    static MemorySegment version() {
        try {
            return (MemorySegment) version.invokeExact();
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle cpu_tier_name =
            link("cpu_tier_name", P, L);

    static MemorySegment cpu_tier_name(long index) {
        try {
            return (MemorySegment) cpu_tier_name.invokeExact(index);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle cpu_tiers =
            link("cpu_tiers", L);

    static long cpu_tiers() {
        try {
            return (long) cpu_tiers.invokeExact();
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle cpu_tier =
            link("cpu_tier", P);

    static MemorySegment cpu_tier() {
        try {
            return (MemorySegment) cpu_tier.invokeExact();
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle has_feature =
            link("has_feature", I, P, L);

    static int has_feature(MemorySegment name, long name_len) {
        try {
            return (int) has_feature.invokeExact(name, name_len);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle free =
            linkVoid("free", P);

    static void free(MemorySegment buffer) {
        try {
            free.invokeExact(buffer);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle cancel_token_new =
            link("cancel_token_new", I, L, P, P);

    static int cancel_token_new(long timeout_ms, MemorySegment token, MemorySegment error) {
        try {
            return (int) cancel_token_new.invokeExact(timeout_ms, token, error);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle cancel_token_cancel =
            link("cancel_token_cancel", I, P, P);

    static int cancel_token_cancel(MemorySegment token, MemorySegment error) {
        try {
            return (int) cancel_token_cancel.invokeExact(token, error);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle cancel_token_is_cancelled =
            link("cancel_token_is_cancelled", I, P);

    static int cancel_token_is_cancelled(MemorySegment token) {
        try {
            return (int) cancel_token_is_cancelled.invokeExact(token);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle cancel_token_free =
            linkVoid("cancel_token_free", P);

    static void cancel_token_free(MemorySegment token) {
        try {
            cancel_token_free.invokeExact(token);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle tokenizer_new =
            link("tokenizer_new", I, P, P);

    static int tokenizer_new(MemorySegment tokenizer, MemorySegment error) {
        try {
            return (int) tokenizer_new.invokeExact(tokenizer, error);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle tokenizer_from_folder =
            link("tokenizer_from_folder", I, P, L, P, P);

    static int tokenizer_from_folder(MemorySegment path, long path_len, MemorySegment tokenizer, MemorySegment error) {
        try {
            return (int) tokenizer_from_folder.invokeExact(path, path_len, tokenizer, error);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle tokenizer_encode =
            link("tokenizer_encode", I, P, P, L, I, P, P, P);

    static int tokenizer_encode(MemorySegment tokenizer, MemorySegment text, long text_len, int special, MemorySegment ids, MemorySegment ids_len, MemorySegment error) {
        try {
            return (int) tokenizer_encode.invokeExact(tokenizer, text, text_len, special, ids, ids_len, error);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle tokenizer_decode =
            link("tokenizer_decode", I, P, P, L, I, P, P, P);

    static int tokenizer_decode(MemorySegment tokenizer, MemorySegment ids, long ids_len, int invalid_utf8, MemorySegment text, MemorySegment text_len, MemorySegment error) {
        try {
            return (int) tokenizer_decode.invokeExact(tokenizer, ids, ids_len, invalid_utf8, text, text_len, error);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle tokenizer_token_bytes =
            link("tokenizer_token_bytes", I, P, I, P, P, P);

    static int tokenizer_token_bytes(MemorySegment tokenizer, int id, MemorySegment bytes, MemorySegment bytes_len, MemorySegment error) {
        try {
            return (int) tokenizer_token_bytes.invokeExact(tokenizer, id, bytes, bytes_len, error);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle tokenizer_vocab_size =
            link("tokenizer_vocab_size", L, P);

    static long tokenizer_vocab_size(MemorySegment tokenizer) {
        try {
            return (long) tokenizer_vocab_size.invokeExact(tokenizer);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle tokenizer_end_of_text =
            link("tokenizer_end_of_text", I, P);

    static int tokenizer_end_of_text(MemorySegment tokenizer) {
        try {
            return (int) tokenizer_end_of_text.invokeExact(tokenizer);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle tokenizer_free =
            linkVoid("tokenizer_free", P);

    static void tokenizer_free(MemorySegment tokenizer) {
        try {
            tokenizer_free.invokeExact(tokenizer);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle decoder_new =
            link("decoder_new", I, P, I, P, P);

    static int decoder_new(MemorySegment tokenizer, int policy, MemorySegment decoder, MemorySegment error) {
        try {
            return (int) decoder_new.invokeExact(tokenizer, policy, decoder, error);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle decoder_push =
            link("decoder_push", I, P, I, P, P, P);

    static int decoder_push(MemorySegment decoder, int id, MemorySegment text, MemorySegment text_len, MemorySegment error) {
        try {
            return (int) decoder_push.invokeExact(decoder, id, text, text_len, error);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle decoder_is_pending =
            link("decoder_is_pending", I, P);

    static int decoder_is_pending(MemorySegment decoder) {
        try {
            return (int) decoder_is_pending.invokeExact(decoder);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle decoder_finish =
            link("decoder_finish", I, P, P, P, P);

    static int decoder_finish(MemorySegment decoder, MemorySegment text, MemorySegment text_len, MemorySegment error) {
        try {
            return (int) decoder_finish.invokeExact(decoder, text, text_len, error);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle decoder_free =
            linkVoid("decoder_free", P);

    static void decoder_free(MemorySegment decoder) {
        try {
            decoder_free.invokeExact(decoder);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle open_options_new =
            link("open_options_new", I, P, P);

    static int open_options_new(MemorySegment options, MemorySegment error) {
        try {
            return (int) open_options_new.invokeExact(options, error);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle open_options_set =
            link("open_options_set", I, P, P, L, P, L, P);

    static int open_options_set(MemorySegment options, MemorySegment key, long key_len, MemorySegment value, long value_len, MemorySegment error) {
        try {
            return (int) open_options_set.invokeExact(options, key, key_len, value, value_len, error);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle open_options_get =
            link("open_options_get", I, P, P, L, P, P, P);

    static int open_options_get(MemorySegment options, MemorySegment key, long key_len, MemorySegment value, MemorySegment value_len, MemorySegment error) {
        try {
            return (int) open_options_get.invokeExact(options, key, key_len, value, value_len, error);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle open_options_key =
            link("open_options_key", P, L, P);

    static MemorySegment open_options_key(long index, MemorySegment help) {
        try {
            return (MemorySegment) open_options_key.invokeExact(index, help);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle open_options_set_memory =
            link("open_options_set_memory", I, P, I, P);

    static int open_options_set_memory(MemorySegment options, int memory, MemorySegment error) {
        try {
            return (int) open_options_set_memory.invokeExact(options, memory, error);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle open_options_set_threads =
            link("open_options_set_threads", I, P, L, P);

    static int open_options_set_threads(MemorySegment options, long threads, MemorySegment error) {
        try {
            return (int) open_options_set_threads.invokeExact(options, threads, error);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle open_options_set_tokenizer =
            link("open_options_set_tokenizer", I, P, P, P);

    static int open_options_set_tokenizer(MemorySegment options, MemorySegment tokenizer, MemorySegment error) {
        try {
            return (int) open_options_set_tokenizer.invokeExact(options, tokenizer, error);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle open_options_set_log =
            link("open_options_set_log", I, P, I, P, P, P, P);

    static int open_options_set_log(MemorySegment options, int level, MemorySegment callback, MemorySegment userdata, MemorySegment destroy, MemorySegment error) {
        try {
            return (int) open_options_set_log.invokeExact(options, level, callback, userdata, destroy, error);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle open_options_free =
            linkVoid("open_options_free", P);

    static void open_options_free(MemorySegment options) {
        try {
            open_options_free.invokeExact(options);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle model_open =
            link("model_open", I, P, L, P, P, P, P, P, P);

    static int model_open(MemorySegment path, long path_len, MemorySegment options, MemorySegment cancel, MemorySegment progress, MemorySegment userdata, MemorySegment model, MemorySegment error) {
        try {
            return (int) model_open.invokeExact(path, path_len, options, cancel, progress, userdata, model, error);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle model_get_info =
            link("model_get_info", I, P, P, P);

    static int model_get_info(MemorySegment model, MemorySegment info, MemorySegment error) {
        try {
            return (int) model_get_info.invokeExact(model, info, error);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle model_describe =
            link("model_describe", P, P, P);

    static MemorySegment model_describe(MemorySegment model, MemorySegment len) {
        try {
            return (MemorySegment) model_describe.invokeExact(model, len);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle model_config_json =
            link("model_config_json", P, P, P);

    static MemorySegment model_config_json(MemorySegment model, MemorySegment len) {
        try {
            return (MemorySegment) model_config_json.invokeExact(model, len);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle model_infill_format =
            link("model_infill_format", P, P, P);

    static MemorySegment model_infill_format(MemorySegment model, MemorySegment len) {
        try {
            return (MemorySegment) model_infill_format.invokeExact(model, len);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle model_kernels =
            link("model_kernels", P, P);

    static MemorySegment model_kernels(MemorySegment model) {
        try {
            return (MemorySegment) model_kernels.invokeExact(model);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle model_fingerprint =
            link("model_fingerprint", I, P, P, P);

    static int model_fingerprint(MemorySegment model, MemorySegment fingerprint, MemorySegment error) {
        try {
            return (int) model_fingerprint.invokeExact(model, fingerprint, error);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle model_tokenizer =
            link("model_tokenizer", I, P, P, P);

    static int model_tokenizer(MemorySegment model, MemorySegment tokenizer, MemorySegment error) {
        try {
            return (int) model_tokenizer.invokeExact(model, tokenizer, error);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle model_free =
            linkVoid("model_free", P);

    static void model_free(MemorySegment model) {
        try {
            model_free.invokeExact(model);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle estimate_memory =
            link("estimate_memory", I, P, L, P, L, L, P, P);

    static int estimate_memory(MemorySegment path, long path_len, MemorySegment options, long sequences, long context_length, MemorySegment result, MemorySegment error) {
        try {
            return (int) estimate_memory.invokeExact(path, path_len, options, sequences, context_length, result, error);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle task_complete =
            link("task_complete", I, P, L, P, L, P, P);

    static int task_complete(MemorySegment language, long language_len, MemorySegment code, long code_len, MemorySegment task, MemorySegment error) {
        try {
            return (int) task_complete.invokeExact(language, language_len, code, code_len, task, error);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle task_explain =
            link("task_explain", I, P, L, P, L, P, P);

    static int task_explain(MemorySegment language, long language_len, MemorySegment code, long code_len, MemorySegment task, MemorySegment error) {
        try {
            return (int) task_explain.invokeExact(language, language_len, code, code_len, task, error);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle task_docstring =
            link("task_docstring", I, P, L, P, L, P, P);

    static int task_docstring(MemorySegment language, long language_len, MemorySegment code, long code_len, MemorySegment task, MemorySegment error) {
        try {
            return (int) task_docstring.invokeExact(language, language_len, code, code_len, task, error);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle task_translate =
            link("task_translate", I, P, L, P, L, P, L, P, L, P, P);

    static int task_translate(MemorySegment from, long from_len, MemorySegment code, long code_len, MemorySegment to, long to_len, MemorySegment declaration, long declaration_len, MemorySegment task, MemorySegment error) {
        try {
            return (int) task_translate.invokeExact(from, from_len, code, code_len, to, to_len, declaration, declaration_len, task, error);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle task_custom =
            link("task_custom", I, P, L, P, L, P, L, P, P);

    static int task_custom(MemorySegment template_, long template_len, MemorySegment language, long language_len, MemorySegment code, long code_len, MemorySegment task, MemorySegment error) {
        try {
            return (int) task_custom.invokeExact(template_, template_len, language, language_len, code, code_len, task, error);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle task_prompt =
            link("task_prompt", P, P, P);

    static MemorySegment task_prompt(MemorySegment task, MemorySegment len) {
        try {
            return (MemorySegment) task_prompt.invokeExact(task, len);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle task_lead =
            link("task_lead", P, P, P);

    static MemorySegment task_lead(MemorySegment task, MemorySegment len) {
        try {
            return (MemorySegment) task_lead.invokeExact(task, len);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle task_tail =
            link("task_tail", P, P, P);

    static MemorySegment task_tail(MemorySegment task, MemorySegment len) {
        try {
            return (MemorySegment) task_tail.invokeExact(task, len);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle task_language =
            link("task_language", P, P, P);

    static MemorySegment task_language(MemorySegment task, MemorySegment len) {
        try {
            return (MemorySegment) task_language.invokeExact(task, len);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle task_stops =
            link("task_stops", L, P);

    static long task_stops(MemorySegment task) {
        try {
            return (long) task_stops.invokeExact(task);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle task_stop =
            link("task_stop", P, P, L, P);

    static MemorySegment task_stop(MemorySegment task, long index, MemorySegment len) {
        try {
            return (MemorySegment) task_stop.invokeExact(task, index, len);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle task_free =
            linkVoid("task_free", P);

    static void task_free(MemorySegment task) {
        try {
            task_free.invokeExact(task);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle languages =
            link("languages", L);

    static long languages() {
        try {
            return (long) languages.invokeExact();
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle language_name =
            link("language_name", P, L);

    static MemorySegment language_name(long index) {
        try {
            return (MemorySegment) language_name.invokeExact(index);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle language_tag =
            link("language_tag", P, L);

    static MemorySegment language_tag(long index) {
        try {
            return (MemorySegment) language_tag.invokeExact(index);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle language_find =
            link("language_find", I, P, L, P, P);

    static int language_find(MemorySegment name, long name_len, MemorySegment index, MemorySegment error) {
        try {
            return (int) language_find.invokeExact(name, name_len, index, error);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle prompt_generation =
            link("prompt_generation", I, P, L, P, L, P, P, P);

    static int prompt_generation(MemorySegment language, long language_len, MemorySegment code, long code_len, MemorySegment prompt, MemorySegment prompt_len, MemorySegment error) {
        try {
            return (int) prompt_generation.invokeExact(language, language_len, code, code_len, prompt, prompt_len, error);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle template_expand =
            link("template_expand", I, P, L, P, L, P, P, P);

    static int template_expand(MemorySegment template_, long template_len, MemorySegment input, long input_len, MemorySegment prompt, MemorySegment prompt_len, MemorySegment error) {
        try {
            return (int) template_expand.invokeExact(template_, template_len, input, input_len, prompt, prompt_len, error);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle code_stop_new =
            link("code_stop_new", I, P, L, P, L, P, L, P, P);

    static int code_stop_new(MemorySegment language, long language_len, MemorySegment rules, long rules_len, MemorySegment before, long before_len, MemorySegment stop, MemorySegment error) {
        try {
            return (int) code_stop_new.invokeExact(language, language_len, rules, rules_len, before, before_len, stop, error);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle code_stop_push =
            link("code_stop_push", I, P, P, L, P, P, P, P);

    static int code_stop_push(MemorySegment stop, MemorySegment piece, long piece_len, MemorySegment text, MemorySegment text_len, MemorySegment finish_reason, MemorySegment error) {
        try {
            return (int) code_stop_push.invokeExact(stop, piece, piece_len, text, text_len, finish_reason, error);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle code_stop_finish =
            link("code_stop_finish", I, P, P, P, P);

    static int code_stop_finish(MemorySegment stop, MemorySegment text, MemorySegment text_len, MemorySegment error) {
        try {
            return (int) code_stop_finish.invokeExact(stop, text, text_len, error);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle code_stop_free =
            linkVoid("code_stop_free", P);

    static void code_stop_free(MemorySegment stop) {
        try {
            code_stop_free.invokeExact(stop);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle code_cut =
            link("code_cut", I, P, L, P, L, P, L, P, L, P, P, P);

    static int code_cut(MemorySegment language, long language_len, MemorySegment rules, long rules_len, MemorySegment before, long before_len, MemorySegment completion, long completion_len, MemorySegment len, MemorySegment finish_reason, MemorySegment error) {
        try {
            return (int) code_cut.invokeExact(language, language_len, rules, rules_len, before, before_len, completion, completion_len, len, finish_reason, error);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle code_cut_at_scope =
            link("code_cut_at_scope", I, P, L, P, L, P, L, P, P);

    static int code_cut_at_scope(MemorySegment language, long language_len, MemorySegment before, long before_len, MemorySegment completion, long completion_len, MemorySegment len, MemorySegment error) {
        try {
            return (int) code_cut_at_scope.invokeExact(language, language_len, before, before_len, completion, completion_len, len, error);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle code_without_overlap =
            link("code_without_overlap", I, P, L, P, L, P, L, P, L, P, P);

    static int code_without_overlap(MemorySegment language, long language_len, MemorySegment before, long before_len, MemorySegment completion, long completion_len, MemorySegment after, long after_len, MemorySegment len, MemorySegment error) {
        try {
            return (int) code_without_overlap.invokeExact(language, language_len, before, before_len, completion, completion_len, after, after_len, len, error);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle code_indentation =
            link("code_indentation", I, P, L, P, L, P, P);

    static int code_indentation(MemorySegment language, long language_len, MemorySegment text, long text_len, MemorySegment indentation, MemorySegment error) {
        try {
            return (int) code_indentation.invokeExact(language, language_len, text, text_len, indentation, error);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle code_reindent =
            link("code_reindent", I, P, L, I, P, L, P, L, P, P, P);

    static int code_reindent(MemorySegment language, long language_len, int indentation, MemorySegment before, long before_len, MemorySegment completion, long completion_len, MemorySegment text, MemorySegment text_len, MemorySegment error) {
        try {
            return (int) code_reindent.invokeExact(language, language_len, indentation, before, before_len, completion, completion_len, text, text_len, error);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle code_distinct =
            link("code_distinct", I, P, L, P, P, P);

    static int code_distinct(MemorySegment candidates, long candidates_len, MemorySegment indices, MemorySegment indices_len, MemorySegment error) {
        try {
            return (int) code_distinct.invokeExact(candidates, candidates_len, indices, indices_len, error);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle code_rank =
            link("code_rank", I, P, L, P, P, P);

    static int code_rank(MemorySegment candidates, long candidates_len, MemorySegment ranked, MemorySegment ranked_len, MemorySegment error) {
        try {
            return (int) code_rank.invokeExact(candidates, candidates_len, ranked, ranked_len, error);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle code_scan =
            link("code_scan", I, P, L, P, L, P, P, P);

    static int code_scan(MemorySegment language, long language_len, MemorySegment text, long text_len, MemorySegment tokens, MemorySegment tokens_len, MemorySegment error) {
        try {
            return (int) code_scan.invokeExact(language, language_len, text, text_len, tokens, tokens_len, error);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle generate_options_new =
            link("generate_options_new", I, P, P);

    static int generate_options_new(MemorySegment options, MemorySegment error) {
        try {
            return (int) generate_options_new.invokeExact(options, error);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle generate_options_clone =
            link("generate_options_clone", I, P, P, P);

    static int generate_options_clone(MemorySegment options, MemorySegment clone, MemorySegment error) {
        try {
            return (int) generate_options_clone.invokeExact(options, clone, error);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle generate_options_set =
            link("generate_options_set", I, P, P, L, P, L, P);

    static int generate_options_set(MemorySegment options, MemorySegment key, long key_len, MemorySegment value, long value_len, MemorySegment error) {
        try {
            return (int) generate_options_set.invokeExact(options, key, key_len, value, value_len, error);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle generate_options_get =
            link("generate_options_get", I, P, P, L, P, P, P);

    static int generate_options_get(MemorySegment options, MemorySegment key, long key_len, MemorySegment value, MemorySegment value_len, MemorySegment error) {
        try {
            return (int) generate_options_get.invokeExact(options, key, key_len, value, value_len, error);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle generate_options_key =
            link("generate_options_key", P, L, P);

    static MemorySegment generate_options_key(long index, MemorySegment help) {
        try {
            return (MemorySegment) generate_options_key.invokeExact(index, help);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle generate_options_set_max_new_tokens =
            link("generate_options_set_max_new_tokens", I, P, L, P);

    static int generate_options_set_max_new_tokens(MemorySegment options, long max_new_tokens, MemorySegment error) {
        try {
            return (int) generate_options_set_max_new_tokens.invokeExact(options, max_new_tokens, error);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle generate_options_set_temperature =
            link("generate_options_set_temperature", I, P, F, P);

    static int generate_options_set_temperature(MemorySegment options, float temperature, MemorySegment error) {
        try {
            return (int) generate_options_set_temperature.invokeExact(options, temperature, error);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle generate_options_set_top_p =
            link("generate_options_set_top_p", I, P, F, P);

    static int generate_options_set_top_p(MemorySegment options, float top_p, MemorySegment error) {
        try {
            return (int) generate_options_set_top_p.invokeExact(options, top_p, error);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle generate_options_set_seed =
            link("generate_options_set_seed", I, P, L, P);

    static int generate_options_set_seed(MemorySegment options, long seed, MemorySegment error) {
        try {
            return (int) generate_options_set_seed.invokeExact(options, seed, error);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle generate_options_add_stop =
            link("generate_options_add_stop", I, P, P, L, P);

    static int generate_options_add_stop(MemorySegment options, MemorySegment text, long text_len, MemorySegment error) {
        try {
            return (int) generate_options_add_stop.invokeExact(options, text, text_len, error);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle generate_options_set_suffix =
            link("generate_options_set_suffix", I, P, P, L, P);

    static int generate_options_set_suffix(MemorySegment options, MemorySegment suffix, long suffix_len, MemorySegment error) {
        try {
            return (int) generate_options_set_suffix.invokeExact(options, suffix, suffix_len, error);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle generate_options_add_file =
            link("generate_options_add_file", I, P, P, L, P, L, P);

    static int generate_options_add_file(MemorySegment options, MemorySegment path, long path_len, MemorySegment text, long text_len, MemorySegment error) {
        try {
            return (int) generate_options_add_file.invokeExact(options, path, path_len, text, text_len, error);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle generate_options_add_task_stops =
            link("generate_options_add_task_stops", I, P, P, P);

    static int generate_options_add_task_stops(MemorySegment options, MemorySegment task, MemorySegment error) {
        try {
            return (int) generate_options_add_task_stops.invokeExact(options, task, error);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle generate_options_set_speculation_model =
            link("generate_options_set_speculation_model", I, P, P, L, P);

    static int generate_options_set_speculation_model(MemorySegment options, MemorySegment draft, long tokens, MemorySegment error) {
        try {
            return (int) generate_options_set_speculation_model.invokeExact(options, draft, tokens, error);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle generate_options_free =
            linkVoid("generate_options_free", P);

    static void generate_options_free(MemorySegment options) {
        try {
            generate_options_free.invokeExact(options);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle generate_options_add_sampler =
            link("generate_options_add_sampler", I, P, P, P, P, P);

    static int generate_options_add_sampler(MemorySegment options, MemorySegment callback, MemorySegment userdata, MemorySegment destroy, MemorySegment error) {
        try {
            return (int) generate_options_add_sampler.invokeExact(options, callback, userdata, destroy, error);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle finish_reason_name =
            link("finish_reason_name", P, I);

    static MemorySegment finish_reason_name(int reason) {
        try {
            return (MemorySegment) finish_reason_name.invokeExact(reason);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle completions_count =
            link("completions_count", L, P);

    static long completions_count(MemorySegment completions) {
        try {
            return (long) completions_count.invokeExact(completions);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle completions_text =
            link("completions_text", P, P, L, P);

    static MemorySegment completions_text(MemorySegment completions, long index, MemorySegment len) {
        try {
            return (MemorySegment) completions_text.invokeExact(completions, index, len);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle completions_ids =
            link("completions_ids", P, P, L, P);

    static MemorySegment completions_ids(MemorySegment completions, long index, MemorySegment len) {
        try {
            return (MemorySegment) completions_ids.invokeExact(completions, index, len);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle completions_logprobs =
            link("completions_logprobs", P, P, L, P);

    static MemorySegment completions_logprobs(MemorySegment completions, long index, MemorySegment len) {
        try {
            return (MemorySegment) completions_logprobs.invokeExact(completions, index, len);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle completions_top_logprobs =
            link("completions_top_logprobs", P, P, L, L, P);

    static MemorySegment completions_top_logprobs(MemorySegment completions, long index, long token, MemorySegment len) {
        try {
            return (MemorySegment) completions_top_logprobs.invokeExact(completions, index, token, len);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle completions_finish_reason =
            link("completions_finish_reason", I, P, L);

    static int completions_finish_reason(MemorySegment completions, long index) {
        try {
            return (int) completions_finish_reason.invokeExact(completions, index);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle completions_stop_index =
            link("completions_stop_index", L, P, L);

    static long completions_stop_index(MemorySegment completions, long index) {
        try {
            return (long) completions_stop_index.invokeExact(completions, index);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle completions_score =
            link("completions_score", D, P, L);

    static double completions_score(MemorySegment completions, long index) {
        try {
            return (double) completions_score.invokeExact(completions, index);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle completions_drafted =
            link("completions_drafted", L, P, L);

    static long completions_drafted(MemorySegment completions, long index) {
        try {
            return (long) completions_drafted.invokeExact(completions, index);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle completions_accepted =
            link("completions_accepted", L, P, L);

    static long completions_accepted(MemorySegment completions, long index) {
        try {
            return (long) completions_accepted.invokeExact(completions, index);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle completions_healed =
            link("completions_healed", L, P, L);

    static long completions_healed(MemorySegment completions, long index) {
        try {
            return (long) completions_healed.invokeExact(completions, index);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle completions_free =
            linkVoid("completions_free", P);

    static void completions_free(MemorySegment completions) {
        try {
            completions_free.invokeExact(completions);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle model_generate =
            link("model_generate", I, P, P, L, P, P, P, P, P, P);

    static int model_generate(MemorySegment model, MemorySegment prompt, long prompt_len, MemorySegment options, MemorySegment cancel, MemorySegment callback, MemorySegment userdata, MemorySegment completions, MemorySegment error) {
        try {
            return (int) model_generate.invokeExact(model, prompt, prompt_len, options, cancel, callback, userdata, completions, error);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle model_generate_from =
            link("model_generate_from", I, P, P, L, P, P, P, P, P, P);

    static int model_generate_from(MemorySegment model, MemorySegment prompt, long prompt_len, MemorySegment options, MemorySegment cancel, MemorySegment callback, MemorySegment userdata, MemorySegment completions, MemorySegment error) {
        try {
            return (int) model_generate_from.invokeExact(model, prompt, prompt_len, options, cancel, callback, userdata, completions, error);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle beam_options_new =
            link("beam_options_new", I, P, P);

    static int beam_options_new(MemorySegment options, MemorySegment error) {
        try {
            return (int) beam_options_new.invokeExact(options, error);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle beam_options_set =
            link("beam_options_set", I, P, P, L, P, L, P);

    static int beam_options_set(MemorySegment options, MemorySegment key, long key_len, MemorySegment value, long value_len, MemorySegment error) {
        try {
            return (int) beam_options_set.invokeExact(options, key, key_len, value, value_len, error);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle beam_options_get =
            link("beam_options_get", I, P, P, L, P, P, P);

    static int beam_options_get(MemorySegment options, MemorySegment key, long key_len, MemorySegment value, MemorySegment value_len, MemorySegment error) {
        try {
            return (int) beam_options_get.invokeExact(options, key, key_len, value, value_len, error);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle beam_options_key =
            link("beam_options_key", P, L, P);

    static MemorySegment beam_options_key(long index, MemorySegment help) {
        try {
            return (MemorySegment) beam_options_key.invokeExact(index, help);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle beam_options_free =
            linkVoid("beam_options_free", P);

    static void beam_options_free(MemorySegment options) {
        try {
            beam_options_free.invokeExact(options);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle model_beam_search =
            link("model_beam_search", I, P, P, L, P, P, P, P);

    static int model_beam_search(MemorySegment model, MemorySegment prompt, long prompt_len, MemorySegment options, MemorySegment cancel, MemorySegment beams, MemorySegment error) {
        try {
            return (int) model_beam_search.invokeExact(model, prompt, prompt_len, options, cancel, beams, error);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle model_beam_search_from =
            link("model_beam_search_from", I, P, P, L, P, P, P, P);

    static int model_beam_search_from(MemorySegment model, MemorySegment prompt, long prompt_len, MemorySegment options, MemorySegment cancel, MemorySegment beams, MemorySegment error) {
        try {
            return (int) model_beam_search_from.invokeExact(model, prompt, prompt_len, options, cancel, beams, error);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle model_score =
            link("model_score", I, P, P, L, L, P, P, P);

    static int model_score(MemorySegment model, MemorySegment ids, long ids_len, long top, MemorySegment cancel, MemorySegment score, MemorySegment error) {
        try {
            return (int) model_score.invokeExact(model, ids, ids_len, top, cancel, score, error);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle score_logprobs =
            link("score_logprobs", P, P, P);

    static MemorySegment score_logprobs(MemorySegment score, MemorySegment len) {
        try {
            return (MemorySegment) score_logprobs.invokeExact(score, len);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle score_top =
            link("score_top", P, P, P);

    static MemorySegment score_top(MemorySegment score, MemorySegment len) {
        try {
            return (MemorySegment) score_top.invokeExact(score, len);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle score_free =
            linkVoid("score_free", P);

    static void score_free(MemorySegment score) {
        try {
            score_free.invokeExact(score);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle model_perplexity =
            link("model_perplexity", I, P, P, L, P, P, P, P, P, P, P);

    static int model_perplexity(MemorySegment model, MemorySegment ids, long ids_len, MemorySegment cancel, MemorySegment progress, MemorySegment userdata, MemorySegment value, MemorySegment log_probability, MemorySegment tokens, MemorySegment error) {
        try {
            return (int) model_perplexity.invokeExact(model, ids, ids_len, cancel, progress, userdata, value, log_probability, tokens, error);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle session_new =
            link("session_new", I, P, P, P);

    static int session_new(MemorySegment model, MemorySegment session, MemorySegment error) {
        try {
            return (int) session_new.invokeExact(model, session, error);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle session_generate =
            link("session_generate", I, P, P, L, P, P, P, P, P, P);

    static int session_generate(MemorySegment session, MemorySegment prompt, long prompt_len, MemorySegment options, MemorySegment cancel, MemorySegment callback, MemorySegment userdata, MemorySegment completions, MemorySegment error) {
        try {
            return (int) session_generate.invokeExact(session, prompt, prompt_len, options, cancel, callback, userdata, completions, error);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle session_generate_from =
            link("session_generate_from", I, P, P, L, P, P, P, P, P, P);

    static int session_generate_from(MemorySegment session, MemorySegment prompt, long prompt_len, MemorySegment options, MemorySegment cancel, MemorySegment callback, MemorySegment userdata, MemorySegment completions, MemorySegment error) {
        try {
            return (int) session_generate_from.invokeExact(session, prompt, prompt_len, options, cancel, callback, userdata, completions, error);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle session_ids =
            link("session_ids", I, P, P, P, P);

    static int session_ids(MemorySegment session, MemorySegment ids, MemorySegment ids_len, MemorySegment error) {
        try {
            return (int) session_ids.invokeExact(session, ids, ids_len, error);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle session_reused =
            link("session_reused", L, P);

    static long session_reused(MemorySegment session) {
        try {
            return (long) session_reused.invokeExact(session);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle session_computed =
            link("session_computed", L, P);

    static long session_computed(MemorySegment session) {
        try {
            return (long) session_computed.invokeExact(session);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle session_bytes =
            link("session_bytes", L, P);

    static long session_bytes(MemorySegment session) {
        try {
            return (long) session_bytes.invokeExact(session);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle session_truncate =
            link("session_truncate", I, P, L, P);

    static int session_truncate(MemorySegment session, long tokens, MemorySegment error) {
        try {
            return (int) session_truncate.invokeExact(session, tokens, error);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle session_save_file =
            link("session_save_file", I, P, P, L, P);

    static int session_save_file(MemorySegment session, MemorySegment path, long path_len, MemorySegment error) {
        try {
            return (int) session_save_file.invokeExact(session, path, path_len, error);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle session_save =
            link("session_save", I, P, P, P, P);

    static int session_save(MemorySegment session, MemorySegment bytes, MemorySegment bytes_len, MemorySegment error) {
        try {
            return (int) session_save.invokeExact(session, bytes, bytes_len, error);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle session_restore_file =
            link("session_restore_file", I, P, P, L, P, P);

    static int session_restore_file(MemorySegment model, MemorySegment path, long path_len, MemorySegment session, MemorySegment error) {
        try {
            return (int) session_restore_file.invokeExact(model, path, path_len, session, error);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle session_restore =
            link("session_restore", I, P, P, L, P, P);

    static int session_restore(MemorySegment model, MemorySegment bytes, long bytes_len, MemorySegment session, MemorySegment error) {
        try {
            return (int) session_restore.invokeExact(model, bytes, bytes_len, session, error);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle session_free =
            linkVoid("session_free", P);

    static void session_free(MemorySegment session) {
        try {
            session_free.invokeExact(session);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle edit_options_new =
            link("edit_options_new", I, P, P);

    static int edit_options_new(MemorySegment options, MemorySegment error) {
        try {
            return (int) edit_options_new.invokeExact(options, error);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle edit_options_set =
            link("edit_options_set", I, P, P, L, P, L, P);

    static int edit_options_set(MemorySegment options, MemorySegment key, long key_len, MemorySegment value, long value_len, MemorySegment error) {
        try {
            return (int) edit_options_set.invokeExact(options, key, key_len, value, value_len, error);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle edit_options_get =
            link("edit_options_get", I, P, P, L, P, P, P);

    static int edit_options_get(MemorySegment options, MemorySegment key, long key_len, MemorySegment value, MemorySegment value_len, MemorySegment error) {
        try {
            return (int) edit_options_get.invokeExact(options, key, key_len, value, value_len, error);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle edit_options_key =
            link("edit_options_key", P, L, P);

    static MemorySegment edit_options_key(long index, MemorySegment help) {
        try {
            return (MemorySegment) edit_options_key.invokeExact(index, help);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle edit_options_set_generate =
            link("edit_options_set_generate", I, P, P, P);

    static int edit_options_set_generate(MemorySegment options, MemorySegment generate, MemorySegment error) {
        try {
            return (int) edit_options_set_generate.invokeExact(options, generate, error);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle edit_options_free =
            linkVoid("edit_options_free", P);

    static void edit_options_free(MemorySegment options) {
        try {
            edit_options_free.invokeExact(options);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle edit_session_new =
            link("edit_session_new", I, P, P, L, P, P, P);

    static int edit_session_new(MemorySegment model, MemorySegment language, long language_len, MemorySegment options, MemorySegment session, MemorySegment error) {
        try {
            return (int) edit_session_new.invokeExact(model, language, language_len, options, session, error);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle edit_session_update =
            link("edit_session_update", I, P, P, L, P, L, P, P);

    static int edit_session_update(MemorySegment session, MemorySegment before, long before_len, MemorySegment after, long after_len, MemorySegment update, MemorySegment error) {
        try {
            return (int) edit_session_update.invokeExact(session, before, before_len, after, after_len, update, error);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle edit_session_suggest =
            link("edit_session_suggest", I, P, P, P, P, P, P);

    static int edit_session_suggest(MemorySegment session, MemorySegment cancel, MemorySegment callback, MemorySegment userdata, MemorySegment count, MemorySegment error) {
        try {
            return (int) edit_session_suggest.invokeExact(session, cancel, callback, userdata, count, error);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle edit_session_suggestions =
            link("edit_session_suggestions", L, P);

    static long edit_session_suggestions(MemorySegment session) {
        try {
            return (long) edit_session_suggestions.invokeExact(session);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle edit_session_suggestion =
            link("edit_session_suggestion", I, P, L, P, P, P);

    static int edit_session_suggestion(MemorySegment session, long index, MemorySegment text, MemorySegment text_len, MemorySegment error) {
        try {
            return (int) edit_session_suggestion.invokeExact(session, index, text, text_len, error);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle edit_session_accept =
            link("edit_session_accept", I, P, I, P, P, P);

    static int edit_session_accept(MemorySegment session, int accept, MemorySegment text, MemorySegment text_len, MemorySegment error) {
        try {
            return (int) edit_session_accept.invokeExact(session, accept, text, text_len, error);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle edit_session_dismiss =
            link("edit_session_dismiss", I, P, P);

    static int edit_session_dismiss(MemorySegment session, MemorySegment error) {
        try {
            return (int) edit_session_dismiss.invokeExact(session, error);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle edit_session_free =
            linkVoid("edit_session_free", P);

    static void edit_session_free(MemorySegment session) {
        try {
            edit_session_free.invokeExact(session);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle state_new =
            link("state_new", I, P, P, P);

    static int state_new(MemorySegment model, MemorySegment state, MemorySegment error) {
        try {
            return (int) state_new.invokeExact(model, state, error);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle state_prefill =
            link("state_prefill", I, P, P, L, P, P);

    static int state_prefill(MemorySegment state, MemorySegment ids, long ids_len, MemorySegment cancel, MemorySegment error) {
        try {
            return (int) state_prefill.invokeExact(state, ids, ids_len, cancel, error);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle state_decode =
            link("state_decode", I, P, P, L, I, P, P, P);

    static int state_decode(MemorySegment state, MemorySegment ids, long ids_len, int wanted, MemorySegment cancel, MemorySegment logits, MemorySegment error) {
        try {
            return (int) state_decode.invokeExact(state, ids, ids_len, wanted, cancel, logits, error);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle states_decode =
            link("states_decode", I, P, P, L, P, P, P);

    static int states_decode(MemorySegment states, MemorySegment ids, long states_len, MemorySegment cancel, MemorySegment logits, MemorySegment error) {
        try {
            return (int) states_decode.invokeExact(states, ids, states_len, cancel, logits, error);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle state_len =
            link("state_len", L, P);

    static long state_len(MemorySegment state) {
        try {
            return (long) state_len.invokeExact(state);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle state_bytes =
            link("state_bytes", L, P);

    static long state_bytes(MemorySegment state) {
        try {
            return (long) state_bytes.invokeExact(state);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle state_truncate =
            link("state_truncate", I, P, L, P);

    static int state_truncate(MemorySegment state, long tokens, MemorySegment error) {
        try {
            return (int) state_truncate.invokeExact(state, tokens, error);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle state_fork =
            link("state_fork", I, P, P, P);

    static int state_fork(MemorySegment state, MemorySegment fork, MemorySegment error) {
        try {
            return (int) state_fork.invokeExact(state, fork, error);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle state_save =
            link("state_save", I, P, P, P, P);

    static int state_save(MemorySegment state, MemorySegment bytes, MemorySegment bytes_len, MemorySegment error) {
        try {
            return (int) state_save.invokeExact(state, bytes, bytes_len, error);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle state_restore =
            link("state_restore", I, P, P, L, P, P);

    static int state_restore(MemorySegment model, MemorySegment bytes, long bytes_len, MemorySegment state, MemorySegment error) {
        try {
            return (int) state_restore.invokeExact(model, bytes, bytes_len, state, error);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle state_free =
            linkVoid("state_free", P);

    static void state_free(MemorySegment state) {
        try {
            state_free.invokeExact(state);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle logits_rows =
            link("logits_rows", L, P);

    static long logits_rows(MemorySegment logits) {
        try {
            return (long) logits_rows.invokeExact(logits);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle logits_vocab_size =
            link("logits_vocab_size", L, P);

    static long logits_vocab_size(MemorySegment logits) {
        try {
            return (long) logits_vocab_size.invokeExact(logits);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle logits_row =
            link("logits_row", P, P, L, P);

    static MemorySegment logits_row(MemorySegment logits, long row, MemorySegment len) {
        try {
            return (MemorySegment) logits_row.invokeExact(logits, row, len);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle logits_log_probability =
            link("logits_log_probability", I, P, L, I, P, P);

    static int logits_log_probability(MemorySegment logits, long row, int id, MemorySegment logprob, MemorySegment error) {
        try {
            return (int) logits_log_probability.invokeExact(logits, row, id, logprob, error);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle logits_top =
            link("logits_top", I, P, L, L, P, P, P);

    static int logits_top(MemorySegment logits, long row, long count, MemorySegment top, MemorySegment top_len, MemorySegment error) {
        try {
            return (int) logits_top.invokeExact(logits, row, count, top, top_len, error);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle logits_free =
            linkVoid("logits_free", P);

    static void logits_free(MemorySegment logits) {
        try {
            logits_free.invokeExact(logits);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle convert_options_new =
            link("convert_options_new", I, P, P);

    static int convert_options_new(MemorySegment options, MemorySegment error) {
        try {
            return (int) convert_options_new.invokeExact(options, error);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle convert_options_set =
            link("convert_options_set", I, P, P, L, P, L, P);

    static int convert_options_set(MemorySegment options, MemorySegment key, long key_len, MemorySegment value, long value_len, MemorySegment error) {
        try {
            return (int) convert_options_set.invokeExact(options, key, key_len, value, value_len, error);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle convert_options_get =
            link("convert_options_get", I, P, P, L, P, P, P);

    static int convert_options_get(MemorySegment options, MemorySegment key, long key_len, MemorySegment value, MemorySegment value_len, MemorySegment error) {
        try {
            return (int) convert_options_get.invokeExact(options, key, key_len, value, value_len, error);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle convert_options_key =
            link("convert_options_key", P, L, P);

    static MemorySegment convert_options_key(long index, MemorySegment help) {
        try {
            return (MemorySegment) convert_options_key.invokeExact(index, help);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle convert_options_free =
            linkVoid("convert_options_free", P);

    static void convert_options_free(MemorySegment options) {
        try {
            convert_options_free.invokeExact(options);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle convert =
            link("convert", I, P, L, P, P, L, P, P, P, P, P);

    static int convert(MemorySegment path, long path_len, MemorySegment open_options, MemorySegment out, long out_len, MemorySegment options, MemorySegment cancel, MemorySegment progress, MemorySegment userdata, MemorySegment error) {
        try {
            return (int) convert.invokeExact(path, path_len, open_options, out, out_len, options, cancel, progress, userdata, error);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle service_options_new =
            link("service_options_new", I, P, P);

    static int service_options_new(MemorySegment options, MemorySegment error) {
        try {
            return (int) service_options_new.invokeExact(options, error);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle service_options_set =
            link("service_options_set", I, P, P, L, P, L, P);

    static int service_options_set(MemorySegment options, MemorySegment key, long key_len, MemorySegment value, long value_len, MemorySegment error) {
        try {
            return (int) service_options_set.invokeExact(options, key, key_len, value, value_len, error);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle service_options_get =
            link("service_options_get", I, P, P, L, P, P, P);

    static int service_options_get(MemorySegment options, MemorySegment key, long key_len, MemorySegment value, MemorySegment value_len, MemorySegment error) {
        try {
            return (int) service_options_get.invokeExact(options, key, key_len, value, value_len, error);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle service_options_key =
            link("service_options_key", P, L, P);

    static MemorySegment service_options_key(long index, MemorySegment help) {
        try {
            return (MemorySegment) service_options_key.invokeExact(index, help);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle service_options_free =
            linkVoid("service_options_free", P);

    static void service_options_free(MemorySegment options) {
        try {
            service_options_free.invokeExact(options);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle service_new =
            link("service_new", I, P, P, P, P);

    static int service_new(MemorySegment model, MemorySegment options, MemorySegment service, MemorySegment error) {
        try {
            return (int) service_new.invokeExact(model, options, service, error);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle service_submit =
            link("service_submit", I, P, P, L, P, I, P, P, P);

    static int service_submit(MemorySegment service, MemorySegment prompt, long prompt_len, MemorySegment options, int when_full, MemorySegment cancel, MemorySegment ticket, MemorySegment error) {
        try {
            return (int) service_submit.invokeExact(service, prompt, prompt_len, options, when_full, cancel, ticket, error);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle service_submit_from =
            link("service_submit_from", I, P, P, L, P, I, P, P, P);

    static int service_submit_from(MemorySegment service, MemorySegment prompt, long prompt_len, MemorySegment options, int when_full, MemorySegment cancel, MemorySegment ticket, MemorySegment error) {
        try {
            return (int) service_submit_from.invokeExact(service, prompt, prompt_len, options, when_full, cancel, ticket, error);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle service_get_progress =
            link("service_get_progress", I, P, P, P);

    static int service_get_progress(MemorySegment service, MemorySegment progress, MemorySegment error) {
        try {
            return (int) service_get_progress.invokeExact(service, progress, error);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle service_free =
            linkVoid("service_free", P);

    static void service_free(MemorySegment service) {
        try {
            service_free.invokeExact(service);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle ticket_next =
            link("ticket_next", I, P, I, P, P);

    static int ticket_next(MemorySegment ticket, int wait, MemorySegment event, MemorySegment error) {
        try {
            return (int) ticket_next.invokeExact(ticket, wait, event, error);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle ticket_wait =
            link("ticket_wait", I, P, P, P);

    static int ticket_wait(MemorySegment ticket, MemorySegment completions, MemorySegment error) {
        try {
            return (int) ticket_wait.invokeExact(ticket, completions, error);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle ticket_cancel =
            link("ticket_cancel", I, P, P);

    static int ticket_cancel(MemorySegment ticket, MemorySegment error) {
        try {
            return (int) ticket_cancel.invokeExact(ticket, error);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }

    private static final MethodHandle ticket_free =
            linkVoid("ticket_free", P);

    static void ticket_free(MemorySegment ticket) {
        try {
            ticket_free.invokeExact(ticket);
        } catch (Throwable thrown) {
            throw impossible(thrown);
        }
    }
}
