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
    """How the bytes of files come into memory."""

    MAP = _abi.MEMORY_MAP
    COPY = _abi.MEMORY_COPY
    LOCK = _abi.MEMORY_LOCK


class KvType(enum.IntEnum):
    """How keys and values are kept."""

    F32 = _abi.KV_F32
    F16 = _abi.KV_F16
    INT8 = _abi.KV_INT8


class ActivationType(enum.IntEnum):
    """How the inputs of quantized layers are rounded."""

    INT16 = _abi.ACTIVATIONS_INT16
    INT8 = _abi.ACTIVATIONS_INT8


class BeamRules(enum.IntEnum):
    """How beams are scored and when a search ends."""

    REFERENCE = _abi.BEAM_RULES_REFERENCE
    HUGGING_FACE = _abi.BEAM_RULES_HUGGING_FACE


class EarlyStopping(enum.IntEnum):
    """With the rules of Hugging Face: whether a search looks for better beams."""

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
    ) -> None:
        self._read, self._arguments, self._write = read, arguments, write

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


def _size() -> _Option[int]:
    return _Option(int, lambda value, name: (size(value, name),))


def _unsigned(bits: int) -> _Option[int]:
    return _Option(int, lambda value, name: (unsigned(value, bits, name),))


def _number() -> _Option[float]:
    return _Option(float, lambda value, name: (float(value),))


def _flag() -> _Option[bool]:
    return _Option(lambda text: text == "true", lambda value, name: (int(bool(value)),))


def _name() -> _Option[str]:
    return _Option(str, lambda value, name: text_argument(value))


def _limit(bits: int) -> _Option[int | None]:
    """A number, or ``None`` for none, which the library takes as the largest."""

    def arguments(value: int | None, name: str) -> tuple[Any, ...]:
        return ((1 << bits) - 1 if value is None else unsigned(value, bits, name),)

    return _Option(lambda text: None if text == "none" else int(text), arguments)


def _one_of(kind: type[E]) -> _Option[E]:
    names = {"text": "as_text"}
    return _Option(
        lambda text: kind[names.get(text, text).upper()], lambda value, name: (int(value),)
    )


def _json_list() -> _Option[list[Any]]:
    return _Option(json.loads, None, lambda value: json.dumps(list(value)))


def _ids() -> _Option[list[int]]:
    return _Option(json.loads, lambda value, name: ids_argument(value))


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
    """How a model is opened."""

    _kind = "open_options"
    __slots__ = ()

    #: How the bytes of the files come into memory.
    memory = _one_of(MemoryMode)
    #: Threads that compute, the calling one included; 0 means one for each core.
    threads = _size()
    #: The instruction set of the kernels, by name; ``auto`` means the fastest.
    isa = _name()
    #: How keys and values are kept.
    kv = _one_of(KvType)
    #: How the inputs of quantized layers are rounded: ``INT8`` is faster for prompts and many
    #: sequences, and less exact.
    activations = _one_of(ActivationType)
    #: The most bytes of keys and values over all sequences; ``None`` means no limit.
    memory_limit = _limit(64)
    #: The model's configuration as JSON, for files that carry none; ``none`` means theirs.
    config = _Option[str](str, None, str)

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
        """The tokenizer of the model; ``None`` means the compiled-in one."""
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
    """What a generation is asked to do: greedy, 128 new tokens, one sample unless told otherwise.

    Numbers out of range are reported by the call that uses the options.
    """

    _kind = "generate_options"
    __slots__ = ()

    #: New tokens at most.
    max_new_tokens = _size()
    #: Divides the logits; 0 means greedy.
    temperature = _number()
    #: Candidates to keep; 0 means all.
    top_k = _size()
    #: Probability mass to keep, above 0 and up to 1; 1 means all.
    top_p = _number()
    #: Candidates to keep: those at least this share as likely as the likeliest; 0 means all.
    min_p = _number()
    #: Probability mass of the most typical candidates to keep; 1 means all.
    typical_p = _number()
    #: Divides positive logits of ids that were there, and multiplies negative ones; 1 means none.
    repetition_penalty = _number()
    #: Subtracted once from the logits of generated ids.
    presence_penalty = _number()
    #: Subtracted from the logits of generated ids for each time that they were.
    frequency_penalty = _number()
    #: Decides the draws, together with the number of the sample and of the token.
    seed = _unsigned(64)
    #: Number of the first sample, for the draws.
    first_sample = _unsigned(32)
    #: Completions of the one prompt, which is computed once for all.
    samples = _size()
    #: Also reports so many of the likeliest tokens at each place.
    top_logprobs = _size()
    #: Threads that compute at most; 0 means all that the model has.
    threads = _size()
    #: Ends the generation so many milliseconds after it began; 0 means never.
    timeout_ms = _unsigned(64)
    #: Tokens of the prompt that may be computed; ``None`` means all.
    prefill_limit = _limit(_SIZE_BITS)
    #: Ids with what is added to their logits; negative infinity bans an id.
    logit_bias = _Option(_read_biases, _biases)
    #: Ids that are never drawn.
    banned_ids = _ids()
    #: Texts that end a completion.
    stop: _Option[list[str]] = _json_list()
    #: What a special token spelled out in the prompt means.
    special_tokens = _one_of(SpecialTokens)
    #: Guesses at the next tokens: ``off``, ``lookup``, or ``lookup:N`` for N tokens a step.
    speculation = _Option[str](str, None, str)
    #: Where code ends a completion: ``none``, or a language and rules, as in ``go:block,function``;
    #: rules are ``line``, ``block``, ``function``, ``unindented``, ``humaneval``.
    stop_at = _Option[str](str, None, str)
    #: Token healing: a prompt may end inside a word or a run of spaces.
    heal = _flag()

    def __init__(self, **settings: Unpack[GenerateSettings]) -> None:
        super().__init__(settings)

    def copy(self, **settings: Unpack[GenerateSettings]) -> GenerateOptions:
        """Options that are as these are now, but for the settings."""
        made = GenerateOptions._of(handle("codegeex_generate_options_clone", self))
        made._apply(settings)
        return made

    def add_stop(self, stop: str) -> None:
        """Adds a text that ends a completion."""
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
        """Takes all stop strings away."""
        check("codegeex_generate_options_clear_stop", self)

    def speculate_by_lookup(self, tokens: int) -> None:
        """Guesses at the next tokens from the text so far, up to so many a step; 0 means none."""
        tokens = size(tokens, "tokens")
        check("codegeex_generate_options_set_speculation_lookup", self, tokens)

    def speculate_by_model(self, draft: Model, tokens: int) -> None:
        """Guesses at the next tokens by a smaller model, up to so many a step; 0 means none."""
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
    """What a beam search is asked to do."""

    _kind = "beam_options"
    __slots__ = ()

    #: Beams that run at a time and results at most.
    num_beams = _size()
    #: New tokens at most.
    max_new_tokens = _size()
    #: How beams are scored and when a search ends.
    rules = _one_of(BeamRules)
    #: With the rules of Hugging Face: the power of the length that divides a score.
    length_penalty = _number()
    #: With the rules of Hugging Face: whether a search looks for better beams.
    early_stopping = _one_of(EarlyStopping)
    #: Texts that end a beam.
    stop: _Option[list[str]] = _json_list()
    #: Ids that no beam contains.
    banned_ids = _ids()
    #: What a special token spelled out in the prompt means.
    special_tokens = _one_of(SpecialTokens)

    def __init__(self, **settings: Unpack[BeamSettings]) -> None:
        super().__init__(settings)

    def add_stop(self, stop: str) -> None:
        """Adds a text that ends a beam."""
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


def _text_size() -> _Option[int]:
    """A number that the library has no setter for but the text's."""
    return _Option(int, None, str)


def _text_flag() -> _Option[bool]:
    """The same for what is true or false."""
    return _Option(lambda text: text == "true", None, lambda value: "true" if value else "false")


class EditOptions(Options):
    """How an edit session suggests: 64 tokens at most, healed, with all post-processing."""

    _kind = "edit_options"
    __slots__ = ()

    #: Tokens by which the beginning of what the model sees moves, about.
    clip_step = _text_size()
    #: Whether suggestions get the indentation of the file.
    reindent = _text_flag()
    #: Whether nothing is suggested beyond the scope of the cursor.
    cut_at_scope = _text_flag()
    #: Whether nothing is suggested that follows the cursor already.
    without_overlap = _text_flag()
    #: Whether nothing is suggested twice.
    distinct = _text_flag()
    #: Whether the best comes first, by the log-probabilities of tokens.
    rank = _text_flag()
    #: Tokens of the text after the cursor that suggestions are ranked by, at most.
    suffix_tokens = _text_size()

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
    """How a checkpoint is converted."""

    _kind = "convert_options"
    __slots__ = ()

    #: What is not quantized: ``keep``, ``f32``, ``f16`` or ``bf16``.
    dtype = _name()
    #: The linear layers: ``none``, ``int8`` or ``int4``.
    quantize = _name()
    #: Whether the word embedding, which is the LM head as well, is quantized to eight bits.
    quantize_head = _flag()
    #: Threads that quantize; 0 means one for each core.
    threads = _size()
    #: Whether a file that is there already may be replaced.
    overwrite = _flag()

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
    """Bounds of a service."""

    _kind = "service_options"
    __slots__ = ()

    #: Sequences that are computed together at most.
    sequences = _size()
    #: Tokens of prompts that a step computes at most.
    prefill_tokens = _size()
    #: Prompts that are kept after they were computed, for requests that begin the same.
    prefixes = _size()
    #: Requests that wait at most.
    waiting = _size()
    #: The most bytes of keys and values; ``None`` means no limit but the model's.
    cache_bytes = _limit(64)

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
