"""Options: by attribute, and by key and value as text.

An attribute reads and writes an option with its type; ``options[key]`` is the text that the library
keeps it as, which reaches options that came after this package too. ``options.keys()`` lists them.
"""

from __future__ import annotations

import ctypes
import enum
import json
import logging
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Callable, Generic, TypedDict, TypeVar, overload

from . import _abi, _callback
from ._handle import (
    Handle,
    check,
    handle,
    ids_argument,
    size,
    static_text,
    text,
    text_argument,
    unsigned,
)
from ._library import library
from .errors import InvalidArgumentError
from .tokenizer import SpecialTokens, Tokenizer

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from .model import Model
    from .task import Task

__all__ = [
    "ActivationType",
    "BeamOptions",
    "BeamRules",
    "BeamSettings",
    "ConvertOptions",
    "ConvertSettings",
    "EarlyStopping",
    "EditOptions",
    "EditSettings",
    "GenerateOptions",
    "GenerateSettings",
    "KvType",
    "MemoryMode",
    "OpenOptions",
    "OpenSettings",
    "ServiceOptions",
    "ServiceSettings",
]

T = TypeVar("T")
E = TypeVar("E", bound=enum.IntEnum)


class MemoryMode(enum.IntEnum):
    """How files are brought into memory."""

    MAP = _abi.MEMORY_MAP
    COPY = _abi.MEMORY_COPY
    LOCK = _abi.MEMORY_LOCK


class KvType(enum.IntEnum):
    """Data type of the KV cache."""

    F32 = _abi.KV_F32
    F16 = _abi.KV_F16
    INT8 = _abi.KV_INT8


class ActivationType(enum.IntEnum):
    """Precision of activations in quantized layers."""

    INT16 = _abi.ACTIVATIONS_INT16
    INT8 = _abi.ACTIVATIONS_INT8


class BeamRules(enum.IntEnum):
    """How beams are scored and when the search ends."""

    REFERENCE = _abi.BEAM_RULES_REFERENCE
    HUGGING_FACE = _abi.BEAM_RULES_HUGGING_FACE


class EarlyStopping(enum.IntEnum):
    """Early stopping of the Hugging Face rules."""

    NO = _abi.EARLY_STOPPING_NO
    YES = _abi.EARLY_STOPPING_YES
    NEVER = _abi.EARLY_STOPPING_NEVER


class Options(Handle):
    """Options of one kind. Setters are for one thread at a time."""

    __slots__ = ()

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._own(handle(f"codegeex_{self._kind}_new"))
        self._apply(settings)

    def _apply(self, settings: Mapping[str, Any]) -> None:
        for name, value in settings.items():
            if not isinstance(getattr(type(self), name, None), _Option):
                raise TypeError(f"{type(self).__name__} has no option {name!r}")
            setattr(self, name, value)

    def __getitem__(self, key: str) -> str:
        if key not in self.keys():
            raise KeyError(key)
        return text(f"codegeex_{self._kind}_get", self, *text_argument(key))

    def __setitem__(self, key: str, value: str) -> None:
        check(f"codegeex_{self._kind}_set", self, *text_argument(key), *text_argument(value))

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    @classmethod
    def keys(cls) -> dict[str, str]:
        """The key of every option, with what it is."""
        found: dict[str, str] = {}
        function = getattr(library(), f"codegeex_{cls._kind}_key")
        about = ctypes.c_void_p()
        while True:
            key = function(len(found), ctypes.byref(about))
            if key is None:
                return found
            found[static_text(key)] = static_text(about.value)

    def __repr__(self) -> str:
        if self.closed:
            return f"<{type(self).__name__}, closed>"
        pairs = ", ".join(f"{key}={self[key]}" for key in self.keys())
        return f"<{type(self).__name__} {pairs}>"


class _Option(Generic[T]):
    """An option as an attribute: how its text is read, and how it is set."""

    def __init__(
        self,
        read: Callable[[str], T],
        arguments: Callable[[T, str], tuple[Any, ...]] | None = None,
        write: Callable[[T], str] | None = None,
        *,
        doc: str = "",
    ) -> None:
        self._read, self._arguments, self._write = read, arguments, write
        # What help() shows.
        self.__doc__ = doc

    def __set_name__(self, owner: type[Options], name: str) -> None:
        self._name = name

    @overload
    def __get__(self, options: None, owner: type[Options]) -> _Option[T]: ...
    @overload
    def __get__(self, options: Options, owner: type[Options]) -> T: ...
    def __get__(self, options: Options | None, owner: type[Options]) -> _Option[T] | T:
        return self if options is None else self._read(options[self._name])

    def __set__(self, options: Options, value: T) -> None:
        if self._arguments is not None:
            setter = f"codegeex_{options._kind}_set_{self._name}"
            check(setter, options, *self._arguments(value, self._name))
        else:
            assert self._write is not None
            options[self._name] = self._write(value)


def _size(*, doc: str = "") -> _Option[int]:
    return _Option(int, lambda value, name: (size(value, name),), doc=doc)


def _unsigned(bits: int, *, doc: str = "") -> _Option[int]:
    return _Option(int, lambda value, name: (unsigned(value, bits, name),), doc=doc)


def _number(*, doc: str = "") -> _Option[float]:
    return _Option(float, lambda value, name: (float(value),), doc=doc)


def _flag(*, doc: str = "") -> _Option[bool]:
    return _Option(
        lambda text: text == "true", lambda value, name: (int(bool(value)),), doc=doc
    )


def _name(*, doc: str = "") -> _Option[str]:
    return _Option(str, lambda value, name: text_argument(value), doc=doc)


def _limit(bits: int, *, doc: str = "") -> _Option[int | None]:
    """A number, or ``None`` for none, which the library takes as the largest."""

    def arguments(value: int | None, name: str) -> tuple[Any, ...]:
        return ((1 << bits) - 1 if value is None else unsigned(value, bits, name),)

    return _Option(lambda text: None if text == "none" else int(text), arguments, doc=doc)


def _one_of(kind: type[E], *, doc: str = "") -> _Option[E]:
    names = {"text": "as_text"}
    return _Option(
        lambda text: kind[names.get(text, text).upper()],
        lambda value, name: (int(value),),
        doc=doc,
    )


def _json_list(*, doc: str = "") -> _Option[list[Any]]:
    return _Option(json.loads, None, lambda value: json.dumps(list(value)), doc=doc)


def _ids(*, doc: str = "") -> _Option[list[int]]:
    return _Option(json.loads, lambda value, name: ids_argument(value), doc=doc)


def _biases(value: dict[int, float], name: str) -> tuple[Any, ...]:
    ids, count = ids_argument(value.keys())
    return ids, (ctypes.c_float * count)(*value.values()), count


def _read_biases(text: str) -> dict[int, float]:
    # A ban is null; positive infinity, which no generation takes, is as Rust writes it.
    pairs = (pair.split(":") for pair in text.strip("{}").split(",") if pair)
    return {int(id.strip('"')): float("-inf" if bias == "null" else bias) for id, bias in pairs}


_SIZE_BITS = 8 * ctypes.sizeof(ctypes.c_size_t)


class OpenSettings(TypedDict, total=False):
    """The attributes of :class:`OpenOptions`, as keywords."""

    memory: MemoryMode
    threads: int
    isa: str
    kv: KvType
    activations: ActivationType
    memory_limit: int | None
    config: str
    tokenizer: Tokenizer | None
    log: logging.Logger | None


class OpenOptions(Options):
    """Options for opening a model."""

    _kind = "open_options"
    __slots__ = ()

    memory = _one_of(MemoryMode, doc="How the files are brought into memory.")
    threads = _size(doc="Number of threads, including the calling one; 0 uses one per core.")
    isa = _name(doc="Instruction set of the kernels, by name; ``auto`` uses the fastest.")
    kv = _one_of(KvType, doc="Data type of the KV cache.")
    activations = _one_of(
        ActivationType,
        doc="Precision of activations in quantized layers; ``INT8`` is faster for prompts and "
        "batches, and less accurate.",
    )
    memory_limit = _limit(
        64,
        doc="Maximum bytes of KV cache over all sequences; ``None`` means no limit.",
    )
    config = _Option[str](
        str, None, str,
        doc="The model's configuration as JSON, for files that have none; ``none`` uses "
        "theirs.",
    )

    def __init__(self, **settings: Unpack[OpenSettings]) -> None:
        super().__init__(settings)

    def _apply(self, settings: Mapping[str, Any]) -> None:
        settings = dict(settings)
        if "tokenizer" in settings:
            self.set_tokenizer(settings.pop("tokenizer"))
        if "log" in settings:
            self.set_log(settings.pop("log"))
        super()._apply(settings)

    def set_tokenizer(self, tokenizer: Tokenizer | None) -> None:
        """The tokenizer of the model; ``None`` means the built-in tokenizer."""
        check("codegeex_open_options_set_tokenizer", self, tokenizer)

    def set_log(self, logger: logging.Logger | None, level: int | None = None) -> None:
        """Where the messages of the model go; ``None`` means nowhere.

        Messages below ``level``, which is the logger's effective one unless given, are not even
        put into words. They come from every thread that uses the model.
        """
        if logger is None:
            check("codegeex_open_options_set_log", self, _abi.LOG_ERROR, None, None, None)
            return
        if self.closed:
            raise InvalidArgumentError("these open options are closed")
        if level is None:
            level = logger.getEffectiveLevel()
        say, userdata, destroy = _callback.log_arguments(logger)
        lowest = _callback.log_level(level)
        # Where it fails the library gives the userdata back as well.
        check("codegeex_open_options_set_log", self, lowest, say, userdata, destroy)


class GenerateSettings(TypedDict, total=False):
    """The attributes of :class:`GenerateOptions`, as keywords."""

    max_new_tokens: int
    temperature: float
    top_k: int
    top_p: float
    min_p: float
    typical_p: float
    repetition_penalty: float
    presence_penalty: float
    frequency_penalty: float
    seed: int
    first_sample: int
    samples: int
    top_logprobs: int
    threads: int
    timeout_ms: int
    prefill_limit: int | None
    logit_bias: dict[int, float]
    banned_ids: list[int]
    stop: list[str]
    special_tokens: SpecialTokens
    speculation: str
    stop_at: str
    heal: bool


class GenerateOptions(Options):
    """Options of a generation. Default: greedy decoding, 128 new tokens, one sample.

    Values out of range are reported by the call that uses the options.
    """

    _kind = "generate_options"
    __slots__ = ()

    max_new_tokens = _size(doc="Maximum number of new tokens.")
    temperature = _number(doc="Sampling temperature; 0 is greedy decoding.")
    top_k = _size(doc="Top-k sampling: keep the k most likely tokens; 0 keeps all.")
    top_p = _number(
        doc="Top-p (nucleus) sampling: keep the most likely tokens whose probabilities add up "
        "to top_p; 1 keeps all.",
    )
    min_p = _number(
        doc="Min-p sampling: keep tokens whose probability is at least min_p times the "
        "highest; 0 keeps all.",
    )
    typical_p = _number(
        doc="Typical-p sampling: keep the most typical tokens whose probabilities add up to "
        "typical_p; 1 keeps all.",
    )
    repetition_penalty = _number(
        doc="Repetition penalty for tokens of the prompt and the completion; 1 means none.",
    )
    presence_penalty = _number(doc="Subtracted once from the logit of every generated token.")
    frequency_penalty = _number(
        doc="Subtracted from the logit of a generated token for each of its occurrences.",
    )
    seed = _unsigned(64, doc="Random seed; the same seed samples the same tokens.")
    first_sample = _unsigned(
        32,
        doc="Number of the first sample; continues an earlier call with the same seed.",
    )
    samples = _size(doc="Number of completions of the prompt, which is computed once for all.")
    top_logprobs = _size(doc="Number of most likely tokens to report for each generated token.")
    threads = _size(doc="Maximum number of threads; 0 uses all of the model's.")
    timeout_ms = _unsigned(
        64,
        doc="Deadline in milliseconds after the start; returns the partial result. 0 means "
        "none.",
    )
    prefill_limit = _limit(
        _SIZE_BITS,
        doc="Maximum number of prompt tokens to compute; ``None`` means no limit.",
    )
    logit_bias = _Option(
        _read_biases, _biases,
        doc="Values added to the logits of token ids; negative infinity bans an id.",
    )
    banned_ids = _ids(doc="Token ids that are never sampled.")
    stop: _Option[list[str]] = _json_list(
        doc="Stop strings: they end a completion and are not part of it.",
    )
    special_tokens = _one_of(
        SpecialTokens,
        doc="How special tokens spelled out in the prompt are encoded.",
    )
    speculation = _Option[str](
        str, None, str,
        doc="Speculative decoding: ``off``, ``lookup``, or ``lookup:N`` for N draft tokens a "
        "step.",
    )
    stop_at = _Option[str](
        str, None, str,
        doc="Stop rules for code: ``none``, or a language and rules, as in "
        "``go:block,function``; rules are ``line``, ``block``, ``function``, "
        "``unindented``, ``humaneval``.",
    )
    heal = _flag(doc="Token healing, for prompts that end inside a word or a run of spaces.")

    def __init__(self, **settings: Unpack[GenerateSettings]) -> None:
        super().__init__(settings)

    def copy(self, **settings: Unpack[GenerateSettings]) -> GenerateOptions:
        """Options that are as these are now, but for the settings."""
        made = GenerateOptions._of(handle("codegeex_generate_options_clone", self))
        made._apply(settings)
        return made

    def add_stop(self, stop: str) -> None:
        """Adds a stop string."""
        check("codegeex_generate_options_add_stop", self, *text_argument(stop))

    def add_task_stops(self, task: Task) -> None:
        """Adds the stop strings of a task."""
        check("codegeex_generate_options_add_task_stops", self, task)

    def set_stop_at(self, language: str, rules: Iterable[str]) -> None:
        """Where code of a language ends a completion: the first of the rules that fires; none of
        them means no end by code."""
        given = (*text_argument(language), *text_argument(",".join(rules)))
        check("codegeex_generate_options_set_stop_at", self, *given)

    def clear_stop(self) -> None:
        """Removes all stop strings."""
        check("codegeex_generate_options_clear_stop", self)

    def speculate_by_lookup(self, tokens: int) -> None:
        """Drafts the next tokens by prompt lookup, up to ``tokens`` a step; 0 means none."""
        tokens = size(tokens, "tokens")
        check("codegeex_generate_options_set_speculation_lookup", self, tokens)

    def speculate_by_model(self, draft: Model, tokens: int) -> None:
        """Drafts the next tokens with a smaller model, up to ``tokens`` a step; 0 means none."""
        tokens = size(tokens, "tokens")
        check("codegeex_generate_options_set_speculation_model", self, draft, tokens)


class BeamSettings(TypedDict, total=False):
    """The attributes of :class:`BeamOptions`, as keywords."""

    num_beams: int
    max_new_tokens: int
    rules: BeamRules
    length_penalty: float
    early_stopping: EarlyStopping
    stop: list[str]
    banned_ids: list[int]
    special_tokens: SpecialTokens


class BeamOptions(Options):
    """Options of a beam search."""

    _kind = "beam_options"
    __slots__ = ()

    num_beams = _size(doc="Number of beams, and the maximum number of results.")
    max_new_tokens = _size(doc="Maximum number of new tokens.")
    rules = _one_of(BeamRules, doc="How beams are scored and when a search ends.")
    length_penalty = _number(
        doc="Length penalty of the Hugging Face rules: scores are divided by length to this power.",
    )
    early_stopping = _one_of(
        EarlyStopping,
        doc="Early stopping of the Hugging Face rules.",
    )
    stop: _Option[list[str]] = _json_list(
        doc="Stop strings: they end a beam and are not part of it.",
    )
    banned_ids = _ids(doc="Token ids that are excluded from all beams.")
    special_tokens = _one_of(
        SpecialTokens,
        doc="How special tokens spelled out in the prompt are encoded.",
    )

    def __init__(self, **settings: Unpack[BeamSettings]) -> None:
        super().__init__(settings)

    def add_stop(self, stop: str) -> None:
        """Adds a stop string."""
        check("codegeex_beam_options_add_stop", self, *text_argument(stop))


class EditSettings(TypedDict, total=False):
    """The attributes of :class:`EditOptions`, as keywords."""

    generate: GenerateOptions
    clip_step: int
    reindent: bool
    cut_at_scope: bool
    without_overlap: bool
    distinct: bool
    rank: bool
    suffix_tokens: int


def _text_size(*, doc: str = "") -> _Option[int]:
    """A number that the library has no setter for but the text's."""
    return _Option(int, None, str, doc=doc)


def _text_flag(*, doc: str = "") -> _Option[bool]:
    """The same for what is true or false."""
    return _Option(
        lambda text: text == "true",
        None,
        lambda value: "true" if value else "false",
        doc=doc,
    )


class EditOptions(Options):
    """How an edit session suggests: 64 tokens at most, healed, with all post-processing."""

    _kind = "edit_options"
    __slots__ = ()

    clip_step = _text_size(doc="Step in tokens by which the start of the model's window moves.")
    reindent = _text_flag(doc="Re-indent suggestions to the style of the file.")
    cut_at_scope = _text_flag(doc="Cut suggestions at the end of the cursor's scope.")
    without_overlap = _text_flag(
        doc="Remove text that already follows the cursor.",
    )
    distinct = _text_flag(doc="Remove duplicate suggestions.")
    rank = _text_flag(doc="Rank suggestions by log-probability.")
    suffix_tokens = _text_size(
        doc="Maximum number of tokens after the cursor used for ranking.",
    )

    def __init__(self, **settings: Unpack[EditSettings]) -> None:
        super().__init__(settings)

    def _apply(self, settings: Mapping[str, Any]) -> None:
        settings = dict(settings)
        if "generate" in settings:
            self.set_generate(settings.pop("generate"))
        super()._apply(settings)

    def set_generate(self, options: GenerateOptions) -> None:
        """How suggestions are generated, in place of 64 tokens at most and healed."""
        check("codegeex_edit_options_set_generate", self, options)


class ConvertSettings(TypedDict, total=False):
    """The attributes of :class:`ConvertOptions`, as keywords."""

    dtype: str
    quantize: str
    quantize_head: bool
    threads: int
    overwrite: bool


class ConvertOptions(Options):
    """Options of a conversion."""

    _kind = "convert_options"
    __slots__ = ()

    dtype = _name(doc="Type of unquantized tensors: ``keep``, ``f32``, ``f16`` or ``bf16``.")
    quantize = _name(doc="Quantization of the linear layers: ``none``, ``int8`` or ``int4``.")
    quantize_head = _flag(
        doc="Whether the word embedding, which is also the LM head, is quantized to INT8.",
    )
    threads = _size(doc="Number of threads for quantization; 0 means one for each core.")
    overwrite = _flag(doc="Whether an existing file may be replaced.")

    def __init__(self, **settings: Unpack[ConvertSettings]) -> None:
        super().__init__(settings)


class ServiceSettings(TypedDict, total=False):
    """The attributes of :class:`ServiceOptions`, as keywords."""

    sequences: int
    prefill_tokens: int
    prefixes: int
    waiting: int
    cache_bytes: int | None


class ServiceOptions(Options):
    """Limits of a service."""

    _kind = "service_options"
    __slots__ = ()

    sequences = _size(doc="Maximum number of sequences in a batch.")
    prefill_tokens = _size(doc="Maximum number of prompt tokens computed in a step.")
    prefixes = _size(
        doc="Number of prompts in the prompt cache, for requests with the same beginning.",
    )
    waiting = _size(doc="Maximum number of waiting requests.")
    cache_bytes: _Option[int | None] = _Option(
        lambda text: None if text == "none" else int(text),
        None,
        lambda value: "none" if value is None else str(unsigned(value, 64, "cache_bytes")),
        doc="Maximum bytes of KV cache; ``None``, the default, uses half of the available memory.",
    )

    def __init__(self, **settings: Unpack[ServiceSettings]) -> None:
        super().__init__(settings)


K = TypeVar("K", bound=Options)


def options_or_settings(kind: type[K], options: K | None, settings: Mapping[str, Any]) -> K | None:
    """The options of a call: those given, or those that keywords make."""
    if options is not None and settings:
        raise InvalidArgumentError("give options or settings by keyword, and not both")
    if options is not None or not settings:
        return options
    made = kind.__new__(kind)
    Options.__init__(made, settings)
    return made
