"""The C interface for ctypes. Written by tools/abi.py from codegeex.h: do not edit."""

from __future__ import annotations

import ctypes
from ctypes import POINTER, c_double, c_float, c_int32, c_size_t, c_uint8, c_uint32
from ctypes import c_uint64, c_void_p
from typing import Any

VERSION_MAJOR = 0
VERSION_MINOR = 1
VERSION_PATCH = 0
ABI_MAJOR = 0
ABI_MINOR = 1
LOG_ERROR = 1
LOG_WARNING = 2
LOG_INFO = 3
LOG_DEBUG = 4
SPECIAL_AS_TEXT = 0
SPECIAL_PARSE = 1
INVALID_UTF8_REPLACE = 0
INVALID_UTF8_REFUSE = 1
MEMORY_MAP = 0
MEMORY_COPY = 1
MEMORY_LOCK = 2
CODE_BLANK = 0
CODE_NEWLINE = 1
CODE_WORD = 2
CODE_OPENER = 3
CODE_CLOSER = 4
CODE_STRAY = 5
CODE_SYMBOL = 6
CODE_STRING = 7
CODE_COMMENT = 8
INDENT_TABS = 0
INDENT_UNKNOWN = -1
EVENT_NONE = 0
EVENT_TOKEN = 1
EVENT_END = 2
EVENT_DONE = 3
FINISH_NONE = 0
FINISH_END_OF_TEXT = 1
FINISH_STOP = 2
FINISH_LENGTH = 3
FINISH_CONTEXT_FULL = 4
FINISH_CANCELLED = 5
FINISH_DEADLINE = 6
FINISH_PREFILL_LIMIT = 7
FINISH_OTHER = 8
FINISH_END_OF_LINE = 9
FINISH_END_OF_BLOCK = 10
FINISH_END_OF_FUNCTION = 11
FINISH_UNINDENTED_LINE = 12
FINISH_HUMANEVAL = 13
ACCEPT_WORD = 0
ACCEPT_LINE = 1
ACCEPT_ALL = 2
LOGITS_NONE = 0
LOGITS_LAST = 1
LOGITS_ALL = 2
WHEN_FULL_WAIT = 0
WHEN_FULL_REFUSE = 1
OK = 0
INVALID_ARGUMENT = 100
TOKEN_OUT_OF_RANGE = 101
CONTEXT_OVERFLOW = 102
STATE_MISMATCH = 103
IO = 200
NOT_FOUND = 201
MALFORMED_FILE = 300
UNSUPPORTED_FILE = 301
MISSING_TENSOR = 302
SHAPE_MISMATCH = 303
MISSING_CONFIG = 304
INVALID_CONFIG = 305
INVALID_UTF8 = 400
INVALID_VOCABULARY = 401
NON_FINITE = 500
OUT_OF_MEMORY = 501
BACKEND_UNAVAILABLE = 502
BUSY = 503
CANCELLED = 600
INTERNAL = 900
PANIC = 901
POISONED = 902


class ModelInfo(ctypes.Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("num_layers", c_size_t),
        ("hidden_size", c_size_t),
        ("num_attention_heads", c_size_t),
        ("num_kv_heads", c_size_t),
        ("vocab_size", c_size_t),
        ("max_positions", c_size_t),
        ("parameters", c_uint64),
    ]


class MemoryEstimate(ctypes.Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("weights_mapped", c_uint64),
        ("weights_owned", c_uint64),
        ("cache_per_token", c_uint64),
        ("cache", c_uint64),
        ("scratch", c_uint64),
        ("total", c_uint64),
    ]


class Text(ctypes.Structure):
    _fields_ = [
        ("data", c_void_p),
        ("len", c_size_t),
    ]


class Likelihood(ctypes.Structure):
    _fields_ = [
        ("logprobs", c_void_p),
        ("logprobs_len", c_size_t),
        ("suffix", c_void_p),
        ("suffix_len", c_size_t),
    ]


class Ranked(ctypes.Structure):
    _fields_ = [
        ("index", c_size_t),
        ("score", c_double),
    ]


class CodeToken(ctypes.Structure):
    _fields_ = [
        ("start", c_size_t),
        ("len", c_size_t),
        ("depth", c_size_t),
        ("kind", c_int32),
        ("reserved", c_int32),
    ]


class Candidate(ctypes.Structure):
    _fields_ = [
        ("id", c_uint32),
        ("logit", c_float),
    ]


class SamplerInput(ctypes.Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("prompt", c_void_p),
        ("prompt_len", c_size_t),
        ("generated", c_void_p),
        ("generated_len", c_size_t),
        ("candidates", c_void_p),
        ("candidates_len", c_size_t),
    ]


class TokenLogprob(ctypes.Structure):
    _fields_ = [
        ("id", c_uint32),
        ("logprob", c_float),
    ]


class Event(ctypes.Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("kind", c_int32),
        ("finish_reason", c_int32),
        ("sample", c_size_t),
        ("id", c_uint32),
        ("logprob", c_float),
        ("text", c_void_p),
        ("text_len", c_size_t),
        ("top_logprobs", c_void_p),
        ("top_logprobs_len", c_size_t),
        ("stop_index", c_size_t),
    ]


class EditUpdate(ctypes.Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("clipped_bytes", c_size_t),
        ("clipped_lines", c_size_t),
        ("moved", c_int32),
        ("is_alive", c_int32),
    ]


class ServiceProgress(ctypes.Structure):
    _fields_ = [
        ("struct_size", c_size_t),
        ("waiting", c_size_t),
        ("running", c_size_t),
        ("sequences", c_size_t),
        ("cache_bytes", c_uint64),
        ("reused_tokens", c_uint64),
    ]


LogCallback: Any = ctypes.CFUNCTYPE(None, c_void_p, c_int32, c_void_p, c_size_t)
DestroyCallback: Any = ctypes.CFUNCTYPE(None, c_void_p)
ProgressCallback: Any = ctypes.CFUNCTYPE(c_int32, c_void_p, c_uint64, c_uint64)
SamplerCallback: Any = ctypes.CFUNCTYPE(c_int32, c_void_p, POINTER(SamplerInput))
EventCallback: Any = ctypes.CFUNCTYPE(c_int32, c_void_p, POINTER(Event))

# Name: what it returns, what it takes.
FUNCTIONS: dict[str, tuple[Any, list[Any]]] = {
    "codegeex_status_name": (c_void_p, [c_int32]),
    "codegeex_error_code": (c_int32, [c_void_p]),
    "codegeex_error_message": (c_void_p, [c_void_p, POINTER(c_size_t)]),
    "codegeex_error_causes": (c_size_t, [c_void_p]),
    "codegeex_error_cause": (c_void_p, [c_void_p, c_size_t, POINTER(c_size_t)]),
    "codegeex_error_free": (None, [c_void_p]),
    "codegeex_abi_version": (c_uint32, []),
    "codegeex_version": (c_void_p, []),
    "codegeex_cpu_tier_name": (c_void_p, [c_size_t]),
    "codegeex_cpu_tiers": (c_size_t, []),
    "codegeex_cpu_tier": (c_void_p, []),
    "codegeex_has_feature": (c_int32, [c_void_p, c_size_t]),
    "codegeex_free": (None, [c_void_p]),
    "codegeex_cancel_token_new": (c_int32, [c_uint64, POINTER(c_void_p), POINTER(c_void_p)]),
    "codegeex_cancel_token_cancel": (c_int32, [c_void_p, POINTER(c_void_p)]),
    "codegeex_cancel_token_is_cancelled": (c_int32, [c_void_p]),
    "codegeex_cancel_token_free": (None, [c_void_p]),
    "codegeex_tokenizer_new": (c_int32, [POINTER(c_void_p), POINTER(c_void_p)]),
    "codegeex_tokenizer_from_folder": (c_int32, [c_void_p, c_size_t, POINTER(c_void_p), POINTER(c_void_p)]),
    "codegeex_tokenizer_encode": (c_int32, [c_void_p, c_void_p, c_size_t, c_int32, POINTER(c_void_p), POINTER(c_size_t), POINTER(c_void_p)]),
    "codegeex_tokenizer_decode": (c_int32, [c_void_p, c_void_p, c_size_t, c_int32, POINTER(c_void_p), POINTER(c_size_t), POINTER(c_void_p)]),
    "codegeex_tokenizer_token_bytes": (c_int32, [c_void_p, c_uint32, POINTER(c_void_p), POINTER(c_size_t), POINTER(c_void_p)]),
    "codegeex_tokenizer_vocab_size": (c_size_t, [c_void_p]),
    "codegeex_tokenizer_end_of_text": (c_uint32, [c_void_p]),
    "codegeex_tokenizer_free": (None, [c_void_p]),
    "codegeex_decoder_new": (c_int32, [c_void_p, c_int32, POINTER(c_void_p), POINTER(c_void_p)]),
    "codegeex_decoder_push": (c_int32, [c_void_p, c_uint32, POINTER(c_void_p), POINTER(c_size_t), POINTER(c_void_p)]),
    "codegeex_decoder_is_pending": (c_int32, [c_void_p]),
    "codegeex_decoder_finish": (c_int32, [c_void_p, POINTER(c_void_p), POINTER(c_size_t), POINTER(c_void_p)]),
    "codegeex_decoder_free": (None, [c_void_p]),
    "codegeex_open_options_new": (c_int32, [POINTER(c_void_p), POINTER(c_void_p)]),
    "codegeex_open_options_set": (c_int32, [c_void_p, c_void_p, c_size_t, c_void_p, c_size_t, POINTER(c_void_p)]),
    "codegeex_open_options_get": (c_int32, [c_void_p, c_void_p, c_size_t, POINTER(c_void_p), POINTER(c_size_t), POINTER(c_void_p)]),
    "codegeex_open_options_key": (c_void_p, [c_size_t, c_void_p]),
    "codegeex_open_options_set_memory": (c_int32, [c_void_p, c_int32, POINTER(c_void_p)]),
    "codegeex_open_options_set_threads": (c_int32, [c_void_p, c_size_t, POINTER(c_void_p)]),
    "codegeex_open_options_set_tokenizer": (c_int32, [c_void_p, c_void_p, POINTER(c_void_p)]),
    "codegeex_open_options_set_log": (c_int32, [c_void_p, c_int32, c_void_p, c_void_p, c_void_p, POINTER(c_void_p)]),
    "codegeex_open_options_free": (None, [c_void_p]),
    "codegeex_model_open": (c_int32, [c_void_p, c_size_t, c_void_p, c_void_p, c_void_p, c_void_p, POINTER(c_void_p), POINTER(c_void_p)]),
    "codegeex_model_get_info": (c_int32, [c_void_p, POINTER(ModelInfo), POINTER(c_void_p)]),
    "codegeex_model_describe": (c_void_p, [c_void_p, POINTER(c_size_t)]),
    "codegeex_model_config_json": (c_void_p, [c_void_p, POINTER(c_size_t)]),
    "codegeex_model_infill_format": (c_void_p, [c_void_p, POINTER(c_size_t)]),
    "codegeex_model_kernels": (c_void_p, [c_void_p]),
    "codegeex_model_fingerprint": (c_int32, [c_void_p, POINTER(c_uint64), POINTER(c_void_p)]),
    "codegeex_model_tokenizer": (c_int32, [c_void_p, POINTER(c_void_p), POINTER(c_void_p)]),
    "codegeex_model_free": (None, [c_void_p]),
    "codegeex_estimate_memory": (c_int32, [c_void_p, c_size_t, c_void_p, c_size_t, c_size_t, POINTER(MemoryEstimate), POINTER(c_void_p)]),
    "codegeex_task_complete": (c_int32, [c_void_p, c_size_t, c_void_p, c_size_t, POINTER(c_void_p), POINTER(c_void_p)]),
    "codegeex_task_explain": (c_int32, [c_void_p, c_size_t, c_void_p, c_size_t, POINTER(c_void_p), POINTER(c_void_p)]),
    "codegeex_task_docstring": (c_int32, [c_void_p, c_size_t, c_void_p, c_size_t, POINTER(c_void_p), POINTER(c_void_p)]),
    "codegeex_task_translate": (c_int32, [c_void_p, c_size_t, c_void_p, c_size_t, c_void_p, c_size_t, c_void_p, c_size_t, POINTER(c_void_p), POINTER(c_void_p)]),
    "codegeex_task_custom": (c_int32, [c_void_p, c_size_t, c_void_p, c_size_t, c_void_p, c_size_t, POINTER(c_void_p), POINTER(c_void_p)]),
    "codegeex_task_prompt": (c_void_p, [c_void_p, POINTER(c_size_t)]),
    "codegeex_task_lead": (c_void_p, [c_void_p, POINTER(c_size_t)]),
    "codegeex_task_tail": (c_void_p, [c_void_p, POINTER(c_size_t)]),
    "codegeex_task_language": (c_void_p, [c_void_p, POINTER(c_size_t)]),
    "codegeex_task_stops": (c_size_t, [c_void_p]),
    "codegeex_task_stop": (c_void_p, [c_void_p, c_size_t, POINTER(c_size_t)]),
    "codegeex_task_free": (None, [c_void_p]),
    "codegeex_languages": (c_size_t, []),
    "codegeex_language_name": (c_void_p, [c_size_t]),
    "codegeex_language_tag": (c_void_p, [c_size_t]),
    "codegeex_language_find": (c_int32, [c_void_p, c_size_t, POINTER(c_size_t), POINTER(c_void_p)]),
    "codegeex_prompt_generation": (c_int32, [c_void_p, c_size_t, c_void_p, c_size_t, POINTER(c_void_p), POINTER(c_size_t), POINTER(c_void_p)]),
    "codegeex_template_expand": (c_int32, [c_void_p, c_size_t, c_void_p, c_size_t, POINTER(c_void_p), POINTER(c_size_t), POINTER(c_void_p)]),
    "codegeex_code_stop_new": (c_int32, [c_void_p, c_size_t, c_void_p, c_size_t, c_void_p, c_size_t, POINTER(c_void_p), POINTER(c_void_p)]),
    "codegeex_code_stop_push": (c_int32, [c_void_p, c_void_p, c_size_t, POINTER(c_void_p), POINTER(c_size_t), POINTER(c_int32), POINTER(c_void_p)]),
    "codegeex_code_stop_finish": (c_int32, [c_void_p, POINTER(c_void_p), POINTER(c_size_t), POINTER(c_void_p)]),
    "codegeex_code_stop_free": (None, [c_void_p]),
    "codegeex_code_cut": (c_int32, [c_void_p, c_size_t, c_void_p, c_size_t, c_void_p, c_size_t, c_void_p, c_size_t, POINTER(c_size_t), POINTER(c_int32), POINTER(c_void_p)]),
    "codegeex_code_cut_at_scope": (c_int32, [c_void_p, c_size_t, c_void_p, c_size_t, c_void_p, c_size_t, POINTER(c_size_t), POINTER(c_void_p)]),
    "codegeex_code_without_overlap": (c_int32, [c_void_p, c_size_t, c_void_p, c_size_t, c_void_p, c_size_t, c_void_p, c_size_t, POINTER(c_size_t), POINTER(c_void_p)]),
    "codegeex_code_indentation": (c_int32, [c_void_p, c_size_t, c_void_p, c_size_t, POINTER(c_int32), POINTER(c_void_p)]),
    "codegeex_code_reindent": (c_int32, [c_void_p, c_size_t, c_int32, c_void_p, c_size_t, c_void_p, c_size_t, POINTER(c_void_p), POINTER(c_size_t), POINTER(c_void_p)]),
    "codegeex_code_distinct": (c_int32, [POINTER(Text), c_size_t, POINTER(c_void_p), POINTER(c_size_t), POINTER(c_void_p)]),
    "codegeex_code_rank": (c_int32, [POINTER(Likelihood), c_size_t, POINTER(c_void_p), POINTER(c_size_t), POINTER(c_void_p)]),
    "codegeex_code_scan": (c_int32, [c_void_p, c_size_t, c_void_p, c_size_t, POINTER(c_void_p), POINTER(c_size_t), POINTER(c_void_p)]),
    "codegeex_generate_options_new": (c_int32, [POINTER(c_void_p), POINTER(c_void_p)]),
    "codegeex_generate_options_clone": (c_int32, [c_void_p, POINTER(c_void_p), POINTER(c_void_p)]),
    "codegeex_generate_options_set": (c_int32, [c_void_p, c_void_p, c_size_t, c_void_p, c_size_t, POINTER(c_void_p)]),
    "codegeex_generate_options_get": (c_int32, [c_void_p, c_void_p, c_size_t, POINTER(c_void_p), POINTER(c_size_t), POINTER(c_void_p)]),
    "codegeex_generate_options_key": (c_void_p, [c_size_t, c_void_p]),
    "codegeex_generate_options_set_max_new_tokens": (c_int32, [c_void_p, c_size_t, POINTER(c_void_p)]),
    "codegeex_generate_options_set_temperature": (c_int32, [c_void_p, c_float, POINTER(c_void_p)]),
    "codegeex_generate_options_set_top_p": (c_int32, [c_void_p, c_float, POINTER(c_void_p)]),
    "codegeex_generate_options_set_seed": (c_int32, [c_void_p, c_uint64, POINTER(c_void_p)]),
    "codegeex_generate_options_add_stop": (c_int32, [c_void_p, c_void_p, c_size_t, POINTER(c_void_p)]),
    "codegeex_generate_options_set_suffix": (c_int32, [c_void_p, c_void_p, c_size_t, POINTER(c_void_p)]),
    "codegeex_generate_options_add_file": (c_int32, [c_void_p, c_void_p, c_size_t, c_void_p, c_size_t, POINTER(c_void_p)]),
    "codegeex_generate_options_add_task_stops": (c_int32, [c_void_p, c_void_p, POINTER(c_void_p)]),
    "codegeex_generate_options_set_speculation_model": (c_int32, [c_void_p, c_void_p, c_size_t, POINTER(c_void_p)]),
    "codegeex_generate_options_free": (None, [c_void_p]),
    "codegeex_generate_options_add_sampler": (c_int32, [c_void_p, c_void_p, c_void_p, c_void_p, POINTER(c_void_p)]),
    "codegeex_finish_reason_name": (c_void_p, [c_int32]),
    "codegeex_completions_count": (c_size_t, [c_void_p]),
    "codegeex_completions_text": (c_void_p, [c_void_p, c_size_t, POINTER(c_size_t)]),
    "codegeex_completions_ids": (c_void_p, [c_void_p, c_size_t, POINTER(c_size_t)]),
    "codegeex_completions_logprobs": (c_void_p, [c_void_p, c_size_t, POINTER(c_size_t)]),
    "codegeex_completions_top_logprobs": (POINTER(TokenLogprob), [c_void_p, c_size_t, c_size_t, POINTER(c_size_t)]),
    "codegeex_completions_finish_reason": (c_int32, [c_void_p, c_size_t]),
    "codegeex_completions_stop_index": (c_size_t, [c_void_p, c_size_t]),
    "codegeex_completions_score": (c_double, [c_void_p, c_size_t]),
    "codegeex_completions_drafted": (c_size_t, [c_void_p, c_size_t]),
    "codegeex_completions_accepted": (c_size_t, [c_void_p, c_size_t]),
    "codegeex_completions_healed": (c_size_t, [c_void_p, c_size_t]),
    "codegeex_completions_free": (None, [c_void_p]),
    "codegeex_model_generate": (c_int32, [c_void_p, c_void_p, c_size_t, c_void_p, c_void_p, c_void_p, c_void_p, POINTER(c_void_p), POINTER(c_void_p)]),
    "codegeex_model_generate_from": (c_int32, [c_void_p, c_void_p, c_size_t, c_void_p, c_void_p, c_void_p, c_void_p, POINTER(c_void_p), POINTER(c_void_p)]),
    "codegeex_beam_options_new": (c_int32, [POINTER(c_void_p), POINTER(c_void_p)]),
    "codegeex_beam_options_set": (c_int32, [c_void_p, c_void_p, c_size_t, c_void_p, c_size_t, POINTER(c_void_p)]),
    "codegeex_beam_options_get": (c_int32, [c_void_p, c_void_p, c_size_t, POINTER(c_void_p), POINTER(c_size_t), POINTER(c_void_p)]),
    "codegeex_beam_options_key": (c_void_p, [c_size_t, c_void_p]),
    "codegeex_beam_options_free": (None, [c_void_p]),
    "codegeex_model_beam_search": (c_int32, [c_void_p, c_void_p, c_size_t, c_void_p, c_void_p, POINTER(c_void_p), POINTER(c_void_p)]),
    "codegeex_model_beam_search_from": (c_int32, [c_void_p, c_void_p, c_size_t, c_void_p, c_void_p, POINTER(c_void_p), POINTER(c_void_p)]),
    "codegeex_model_score": (c_int32, [c_void_p, c_void_p, c_size_t, c_size_t, c_void_p, POINTER(c_void_p), POINTER(c_void_p)]),
    "codegeex_score_logprobs": (c_void_p, [c_void_p, POINTER(c_size_t)]),
    "codegeex_score_top": (POINTER(TokenLogprob), [c_void_p, POINTER(c_size_t)]),
    "codegeex_score_free": (None, [c_void_p]),
    "codegeex_model_perplexity": (c_int32, [c_void_p, c_void_p, c_size_t, c_void_p, c_void_p, c_void_p, POINTER(c_double), POINTER(c_double), POINTER(c_size_t), POINTER(c_void_p)]),
    "codegeex_session_new": (c_int32, [c_void_p, POINTER(c_void_p), POINTER(c_void_p)]),
    "codegeex_session_generate": (c_int32, [c_void_p, c_void_p, c_size_t, c_void_p, c_void_p, c_void_p, c_void_p, POINTER(c_void_p), POINTER(c_void_p)]),
    "codegeex_session_generate_from": (c_int32, [c_void_p, c_void_p, c_size_t, c_void_p, c_void_p, c_void_p, c_void_p, POINTER(c_void_p), POINTER(c_void_p)]),
    "codegeex_session_ids": (c_int32, [c_void_p, POINTER(c_void_p), POINTER(c_size_t), POINTER(c_void_p)]),
    "codegeex_session_reused": (c_size_t, [c_void_p]),
    "codegeex_session_computed": (c_size_t, [c_void_p]),
    "codegeex_session_bytes": (c_size_t, [c_void_p]),
    "codegeex_session_truncate": (c_int32, [c_void_p, c_size_t, POINTER(c_void_p)]),
    "codegeex_session_save_file": (c_int32, [c_void_p, c_void_p, c_size_t, POINTER(c_void_p)]),
    "codegeex_session_save": (c_int32, [c_void_p, POINTER(c_void_p), POINTER(c_size_t), POINTER(c_void_p)]),
    "codegeex_session_restore_file": (c_int32, [c_void_p, c_void_p, c_size_t, POINTER(c_void_p), POINTER(c_void_p)]),
    "codegeex_session_restore": (c_int32, [c_void_p, c_void_p, c_size_t, POINTER(c_void_p), POINTER(c_void_p)]),
    "codegeex_session_free": (None, [c_void_p]),
    "codegeex_edit_options_new": (c_int32, [POINTER(c_void_p), POINTER(c_void_p)]),
    "codegeex_edit_options_set": (c_int32, [c_void_p, c_void_p, c_size_t, c_void_p, c_size_t, POINTER(c_void_p)]),
    "codegeex_edit_options_get": (c_int32, [c_void_p, c_void_p, c_size_t, POINTER(c_void_p), POINTER(c_size_t), POINTER(c_void_p)]),
    "codegeex_edit_options_key": (c_void_p, [c_size_t, c_void_p]),
    "codegeex_edit_options_set_generate": (c_int32, [c_void_p, c_void_p, POINTER(c_void_p)]),
    "codegeex_edit_options_free": (None, [c_void_p]),
    "codegeex_edit_session_new": (c_int32, [c_void_p, c_void_p, c_size_t, c_void_p, POINTER(c_void_p), POINTER(c_void_p)]),
    "codegeex_edit_session_update": (c_int32, [c_void_p, c_void_p, c_size_t, c_void_p, c_size_t, POINTER(EditUpdate), POINTER(c_void_p)]),
    "codegeex_edit_session_suggest": (c_int32, [c_void_p, c_void_p, c_void_p, c_void_p, POINTER(c_size_t), POINTER(c_void_p)]),
    "codegeex_edit_session_suggestions": (c_size_t, [c_void_p]),
    "codegeex_edit_session_suggestion": (c_int32, [c_void_p, c_size_t, POINTER(c_void_p), POINTER(c_size_t), POINTER(c_void_p)]),
    "codegeex_edit_session_accept": (c_int32, [c_void_p, c_int32, POINTER(c_void_p), POINTER(c_size_t), POINTER(c_void_p)]),
    "codegeex_edit_session_dismiss": (c_int32, [c_void_p, POINTER(c_void_p)]),
    "codegeex_edit_session_free": (None, [c_void_p]),
    "codegeex_state_new": (c_int32, [c_void_p, POINTER(c_void_p), POINTER(c_void_p)]),
    "codegeex_state_prefill": (c_int32, [c_void_p, c_void_p, c_size_t, c_void_p, POINTER(c_void_p)]),
    "codegeex_state_decode": (c_int32, [c_void_p, c_void_p, c_size_t, c_int32, c_void_p, POINTER(c_void_p), POINTER(c_void_p)]),
    "codegeex_states_decode": (c_int32, [c_void_p, c_void_p, c_size_t, c_void_p, POINTER(c_void_p), POINTER(c_void_p)]),
    "codegeex_state_len": (c_size_t, [c_void_p]),
    "codegeex_state_bytes": (c_size_t, [c_void_p]),
    "codegeex_state_truncate": (c_int32, [c_void_p, c_size_t, POINTER(c_void_p)]),
    "codegeex_state_fork": (c_int32, [c_void_p, POINTER(c_void_p), POINTER(c_void_p)]),
    "codegeex_state_save": (c_int32, [c_void_p, POINTER(c_void_p), POINTER(c_size_t), POINTER(c_void_p)]),
    "codegeex_state_restore": (c_int32, [c_void_p, c_void_p, c_size_t, POINTER(c_void_p), POINTER(c_void_p)]),
    "codegeex_state_free": (None, [c_void_p]),
    "codegeex_logits_rows": (c_size_t, [c_void_p]),
    "codegeex_logits_vocab_size": (c_size_t, [c_void_p]),
    "codegeex_logits_row": (c_void_p, [c_void_p, c_size_t, POINTER(c_size_t)]),
    "codegeex_logits_log_probability": (c_int32, [c_void_p, c_size_t, c_uint32, POINTER(c_float), POINTER(c_void_p)]),
    "codegeex_logits_top": (c_int32, [c_void_p, c_size_t, c_size_t, POINTER(c_void_p), POINTER(c_size_t), POINTER(c_void_p)]),
    "codegeex_logits_free": (None, [c_void_p]),
    "codegeex_convert_options_new": (c_int32, [POINTER(c_void_p), POINTER(c_void_p)]),
    "codegeex_convert_options_set": (c_int32, [c_void_p, c_void_p, c_size_t, c_void_p, c_size_t, POINTER(c_void_p)]),
    "codegeex_convert_options_get": (c_int32, [c_void_p, c_void_p, c_size_t, POINTER(c_void_p), POINTER(c_size_t), POINTER(c_void_p)]),
    "codegeex_convert_options_key": (c_void_p, [c_size_t, c_void_p]),
    "codegeex_convert_options_free": (None, [c_void_p]),
    "codegeex_convert": (c_int32, [c_void_p, c_size_t, c_void_p, c_void_p, c_size_t, c_void_p, c_void_p, c_void_p, c_void_p, POINTER(c_void_p)]),
    "codegeex_service_options_new": (c_int32, [POINTER(c_void_p), POINTER(c_void_p)]),
    "codegeex_service_options_set": (c_int32, [c_void_p, c_void_p, c_size_t, c_void_p, c_size_t, POINTER(c_void_p)]),
    "codegeex_service_options_get": (c_int32, [c_void_p, c_void_p, c_size_t, POINTER(c_void_p), POINTER(c_size_t), POINTER(c_void_p)]),
    "codegeex_service_options_key": (c_void_p, [c_size_t, c_void_p]),
    "codegeex_service_options_free": (None, [c_void_p]),
    "codegeex_service_new": (c_int32, [c_void_p, c_void_p, POINTER(c_void_p), POINTER(c_void_p)]),
    "codegeex_service_submit": (c_int32, [c_void_p, c_void_p, c_size_t, c_void_p, c_int32, c_void_p, POINTER(c_void_p), POINTER(c_void_p)]),
    "codegeex_service_submit_from": (c_int32, [c_void_p, c_void_p, c_size_t, c_void_p, c_int32, c_void_p, POINTER(c_void_p), POINTER(c_void_p)]),
    "codegeex_service_get_progress": (c_int32, [c_void_p, POINTER(ServiceProgress), POINTER(c_void_p)]),
    "codegeex_service_free": (None, [c_void_p]),
    "codegeex_ticket_next": (c_int32, [c_void_p, c_int32, POINTER(Event), POINTER(c_void_p)]),
    "codegeex_ticket_wait": (c_int32, [c_void_p, POINTER(c_void_p), POINTER(c_void_p)]),
    "codegeex_ticket_cancel": (c_int32, [c_void_p, POINTER(c_void_p)]),
    "codegeex_ticket_free": (None, [c_void_p]),
}
