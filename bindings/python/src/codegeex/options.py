"""Options: by attribute, and by key and value as text.

An attribute reads and writes an option with its type. ``options[key]`` is its text in the library,
which also sets options that are newer than this package. ``options.keys()`` lists them.
"""

from __future__ import annotations

import ctypes
import difflib
import enum
import json
import logging
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Callable, ClassVar, Generic, NamedTuple, TypedDict, TypeVar, overload

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
from ._sampler import Sampler, Samplers
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
    "ContextFile",
    "ConvertOptions",
    "ConvertSettings",
    "EarlyStopping",
    "EditOptions",
    "EditSettings",
    "GenerateOptions",
    "GenerateSettings",
    "InfillOrder",
    "InfillSettings",
    "KvType",
    "MemoryMode",
    "OpenOptions",
    "OpenSettings",
    "ServiceOptions",
    "ServiceSettings",
]

T = TypeVar("T")
S = TypeVar("S")


class _Named(str, enum.Enum):
    """One of several names. The name itself, a str, is accepted as well."""

    def __str__(self) -> str:
        return str(self.value)


E = TypeVar("E", bound=_Named)


class MemoryMode(_Named):
    """How the files of a model are loaded."""

    #: Memory-map: opening is nearly free, pages are read on first use.
    MAP = "map"
    #: Read into private memory.
    COPY = "copy"
    #: Memory-map and mlock, within RLIMIT_MEMLOCK.
    LOCK = "lock"


class KvType(_Named):
    """Format of the KV cache."""

    F32 = "f32"
    F16 = "f16"
    INT8 = "int8"


class ActivationType(_Named):
    """Precision of activations in quantized layers."""

    INT16 = "int16"
    INT8 = "int8"


class BeamRules(_Named):
    """How beams are scored and when the search ends."""

    REFERENCE = "reference"
    HUGGING_FACE = "hugging_face"


class EarlyStopping(_Named):
    """Early stopping of the Hugging Face rules."""

    NO = "no"
    YES = "yes"
    NEVER = "never"


class InfillOrder(_Named):
    """Order of a fill-in-the-middle prompt."""

    #: The one that the model prefers.
    AUTO = "auto"
    #: Prefix, suffix, middle.
    PSM = "psm"
    #: Suffix, prefix, middle.
    SPM = "spm"


class ContextFile(NamedTuple):
    """Another file of the repository, in a fill-in-the-middle prompt."""

    #: Relative to the root of the repository.
    path: str
    #: Its text, or the part of it that matters.
    text: str


class Options(Handle):
    """Options of one kind. Set them from one thread at a time."""

    __slots__ = ()
    #: Keywords beside the attributes that are read and written as text.
    _more: ClassVar[tuple[str, ...]] = ()

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._own(handle(f"codegeex_{self._kind}_new"))
        self._apply(settings)

    def _apply(self, settings: Mapping[str, Any]) -> None:
        for name, value in settings.items():
            if not isinstance(getattr(type(self), name, None), _Option):
                raise TypeError(self._unknown(name))
            setattr(self, name, value)

    @classmethod
    def _unknown(cls, name: str) -> str:
        """The message about an option that does not exist."""
        known = [n for n in dir(cls) if isinstance(getattr(cls, n, None), _Option)]
        known = sorted([*known, *cls._more])
        close = difflib.get_close_matches(name, known, 1)
        hint = f" (did you mean {close[0]!r}?)" if close else ""
        return f"{cls.__name__} has no option {name!r}{hint}; expected one of {', '.join(known)}"

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
        """The key of every option, with its description."""
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


class _Option(Generic[T, S]):
    """An option as an attribute: how its text is read and written."""

    def __init__(
        self, read: Callable[[str], T], write: Callable[[S, str], str], *, doc: str
    ) -> None:
        self._read, self._write = read, write
        # What help() shows.
        self.__doc__ = doc

    def __set_name__(self, owner: type[Options], name: str) -> None:
        self._name = name

    @overload
    def __get__(self, options: None, owner: type[Options]) -> _Option[T, S]: ...
    @overload
    def __get__(self, options: Options, owner: type[Options]) -> T: ...
    def __get__(self, options: Options | None, owner: type[Options]) -> _Option[T, S] | T:
        return self if options is None else self._read(options[self._name])

    def __set__(self, options: Options, value: S) -> None:
        options[self._name] = self._write(value, self._name)


def _size(*, doc: str) -> _Option[int, int]:
    return _Option(int, lambda value, name: str(size(value, name)), doc=doc)


def _unsigned(bits: int, *, doc: str) -> _Option[int, int]:
    return _Option(int, lambda value, name: str(unsigned(value, bits, name)), doc=doc)


def _number(*, doc: str) -> _Option[float, float]:
    return _Option(float, lambda value, name: repr(_float(value, name)), doc=doc)


def _float(value: float, name: str) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise TypeError(f"{name} is a number, not {value!r}") from None


def _flag(*, doc: str) -> _Option[bool, bool]:
    def write(value: bool, name: str) -> str:
        # A text such as "false" is true in Python.
        if isinstance(value, str):
            raise TypeError(f"{name} is a bool, not {value!r}")
        return "true" if value else "false"

    return _Option(lambda text: text == "true", write, doc=doc)


def _name(*, doc: str) -> _Option[str, str]:
    return _Option(str, lambda value, name: value, doc=doc)


def _name_or_none(*, doc: str) -> _Option[str | None, str | None]:
    return _Option(
        lambda text: None if text == "none" else text,
        lambda value, name: "none" if value is None else value,
        doc=doc,
    )


def _text_or_none(*, doc: str) -> _Option[str | None, str | None]:
    def write(value: str | None, name: str) -> str:
        if value is None:
            return "none"
        if not isinstance(value, str):
            raise TypeError(f"{name} is a str, not {type(value).__name__}")
        return _json(value)

    return _Option(
        lambda text: None if text == "none" else str(json.loads(text)), write, doc=doc
    )


def _limit(bits: int, *, doc: str) -> _Option[int | None, int | None]:
    return _Option(
        lambda text: None if text == "none" else int(text),
        lambda value, name: "none" if value is None else str(unsigned(value, bits, name)),
        doc=doc,
    )


def _one_of(kind: type[E], *, doc: str) -> _Option[E, E | str]:
    return _Option(kind, lambda value, name: str(value), doc=doc)


def _json(value: object) -> str:
    # A lone surrogate is refused where the text is encoded.
    return json.dumps(value, ensure_ascii=False)


def _texts(*, doc: str) -> _Option[list[str], str | Iterable[str]]:
    def write(value: str | Iterable[str], name: str) -> str:
        # Not the characters of a text.
        return _json([value] if isinstance(value, str) else list(value))

    return _Option(json.loads, write, doc=doc)


def _ids(*, doc: str) -> _Option[list[int], Iterable[int]]:
    def write(value: Iterable[int], name: str) -> str:
        ids, _ = ids_argument(value)
        return _json(list(ids or ()))

    return _Option(json.loads, write, doc=doc)


def _write_biases(value: Mapping[int, float], name: str) -> str:
    biases: dict[int, float | None] = {}
    for id, bias in value.items():
        bias = float(bias)
        if math.isnan(bias) or ctypes.c_float(bias).value == math.inf:
            raise InvalidArgumentError(
                f"the logit bias of {id} is {bias}, and must be a 32-bit float or -inf"
            )
        biases[unsigned(id, 32, "an id")] = None if bias == -math.inf else bias
    return _json(biases)


def _read_biases(text: str) -> dict[int, float]:
    # A ban is null.
    pairs = json.loads(text).items()
    return {int(id): -math.inf if bias is None else float(bias) for id, bias in pairs}


def _write_files(value: Iterable[ContextFile | tuple[str, str]], name: str) -> str:
    files = []
    for path, text in value:
        if not isinstance(path, str) or not isinstance(text, str):
            raise TypeError("a context file has a path and a text, both a str")
        files.append({"path": path, "text": text})
    return _json(files)


def _read_files(text: str) -> list[ContextFile]:
    return [ContextFile(file["path"], file["text"]) for file in json.loads(text)]


def _special_tokens(*, doc: str) -> _Option[SpecialTokens, SpecialTokens | str]:
    names = {SpecialTokens.AS_TEXT: "text", SpecialTokens.PARSE: "parse"}
    kinds = {name: kind for kind, name in names.items()}
    return _Option(
        kinds.__getitem__,
        lambda value, name: value if isinstance(value, str) else names[SpecialTokens(value)],
        doc=doc,
    )


_SIZE_BITS = 8 * ctypes.sizeof(ctypes.c_size_t)


class OpenSettings(TypedDict, total=False):
    """The attributes of :class:`OpenOptions`, as keywords."""

    memory: MemoryMode | str
    threads: int
    isa: str
    kv: KvType | str
    activations: ActivationType | str
    memory_limit: int | None
    config: str | None
    tokenizer: Tokenizer | None
    log: logging.Logger | None


class OpenOptions(Options):
    """Options for opening a model."""

    _kind = "open_options"
    _more = ("log", "tokenizer")
    __slots__ = ()

    memory = _one_of(MemoryMode, doc="How the files are loaded.")
    threads = _size(
        doc="Number of compute threads, including the calling thread; 0 means one for each core.",
    )
    isa = _name(doc="Instruction set of the kernels, by name; ``auto`` means the fastest.")
    kv = _one_of(KvType, doc="Format of the KV cache.")
    activations = _one_of(
        ActivationType,
        doc="Precision of activations in quantized layers; ``INT8`` is faster for prompts and "
        "batches, and less accurate.",
    )
    memory_limit = _limit(
        64,
        doc="Limit of the KV cache over all sequences, in bytes; ``None`` means no limit.",
    )
    config = _name_or_none(
        doc="Model configuration as JSON, for files without one; ``None`` means the configuration "
        "of the files.",
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
        """The tokenizer of the model; ``None`` means the vocabulary beside the checkpoint, or else
        the built-in tokenizer."""
        check("codegeex_open_options_set_tokenizer", self, tokenizer)

    def set_log(self, logger: logging.Logger | None, level: int | None = None) -> None:
        """The logger of the model; ``None`` disables the log.

        It receives messages of ``level``, by default the effective level of the logger, and more
        severe ones, from every thread that uses the model.
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
        # On failure the library gives the userdata back as well.
        check("codegeex_open_options_set_log", self, lowest, say, userdata, destroy)


class _CommonSettings(TypedDict, total=False):
    max_new_tokens: int
    banned_ids: Iterable[int]
    stop: str | Iterable[str]
    stop_at: str | None
    stop_before: str | None
    stop_ids: Iterable[int]
    special_tokens: SpecialTokens | str
    timeout_ms: int
    prefill_limit: int | None
    threads: int


class _CommonOptions(Options):
    """Options that a generation and a beam search have in common."""

    __slots__ = ()

    max_new_tokens = _size(doc="Maximum number of new tokens.")
    banned_ids = _ids(doc="Token ids that are never generated.")
    stop = _texts(doc="Stop strings: they end a completion and are not part of it.")
    stop_at = _name_or_none(
        doc="Stop rules for code: ``None``, or a language and rules, as in "
        "``go:block,function``; rules are ``line``, ``block``, ``function``, "
        "``unindented``, ``humaneval``. The first that matches ends the completion.",
    )
    stop_before = _text_or_none(
        doc="Code left of the cursor, for ``stop_at``; ``None`` means the prompt.",
    )
    stop_ids = _ids(doc="Token ids that end a completion as the end of text does.")
    special_tokens = _special_tokens(
        doc="How special tokens in the prompt, such as ``<|endoftext|>``, are encoded.",
    )
    timeout_ms = _unsigned(
        64,
        doc="Timeout in milliseconds, after which the call returns the partial result; 0 means "
        "none.",
    )
    prefill_limit = _limit(
        _SIZE_BITS,
        doc="Maximum number of prompt tokens to compute, without cached ones; ``None`` means no "
        "limit.",
    )
    threads = _size(
        doc="Maximum number of compute threads; 0 means all threads of the model.",
    )

    def add_stop(self, stop: str) -> None:
        """Adds a stop string."""
        self.stop = [*self.stop, stop]

    def clear_stop(self) -> None:
        """Removes all stop strings."""
        self.stop = []

    def set_stop_at(self, language: str, rules: Iterable[str]) -> None:
        """Stop rules for code of a language: the first that matches ends the completion. No rules
        disable them."""
        names = ",".join(rules)
        self.stop_at = f"{language}:{names}" if names else None


class InfillSettings(_CommonSettings, total=False):
    """The attributes of :class:`GenerateOptions` beside the suffix, as keywords."""

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
    logit_bias: Mapping[int, float]
    speculation: str
    heal: bool
    infill_order: InfillOrder | str
    path: str | None
    repository: str | None
    files: Iterable[ContextFile | tuple[str, str]]
    infill_language: str | None
    samplers: Iterable[Sampler]


class GenerateSettings(InfillSettings, total=False):
    """The attributes of :class:`GenerateOptions`, as keywords."""

    suffix: str | None


class GenerateOptions(_CommonOptions):
    """Options of a generation. Default: greedy decoding, 128 new tokens, one sample.

    Values out of range are reported by the call that uses the options.
    """

    _kind = "generate_options"
    _more = ("samplers",)
    __slots__ = ("_samplers",)
    _samplers: tuple[Sampler, ...]

    temperature = _number(doc="Sampling temperature; 0 means greedy.")
    top_k = _size(doc="Top-k sampling: keep the k most likely tokens; 0 disables it.")
    top_p = _number(
        doc="Top-p (nucleus) sampling: keep the most likely tokens whose probabilities add up "
        "to this value; 1 disables it.",
    )
    min_p = _number(
        doc="Min-p sampling: keep tokens at least this value times as likely as the top one; 0 "
        "disables it.",
    )
    typical_p = _number(
        doc="Typical-p sampling: keep the most typical tokens whose probabilities add up to "
        "this value; 1 disables it.",
    )
    repetition_penalty = _number(
        doc="Repetition penalty, for ids in the prompt or the generated text; 1 disables it.",
    )
    presence_penalty = _number(
        doc="Presence penalty: subtracted once from the logits of generated ids; 0 disables it.",
    )
    frequency_penalty = _number(
        doc="Frequency penalty: subtracted from an id's logit for each occurrence; 0 disables it.",
    )
    seed = _unsigned(64, doc="Random seed.")
    first_sample = _unsigned(32, doc="Index of the first sample, for the random numbers.")
    samples = _size(doc="Number of completions of the prompt, which is computed once.")
    top_logprobs = _size(
        doc="Reports the N most likely tokens at each position, before sampling.",
    )
    logit_bias: _Option[dict[int, float], Mapping[int, float]] = _Option(
        _read_biases, _write_biases,
        doc="Logit bias: values to add to the logits of ids; ``-math.inf`` bans an id.",
    )
    speculation = _name(
        doc="Speculative decoding by prompt lookup: ``off``, ``lookup``, or ``lookup:N`` for up to "
        "N draft tokens per step. It changes latency, never the output.",
    )
    heal = _flag(
        doc="Token healing: re-samples the last tokens of the prompt among those that match its "
        "bytes, so that a prompt may end inside a word.",
    )
    suffix = _text_or_none(
        doc="Fill-in-the-middle: the text after the cursor; the prompt is the text before it. Models "
        "without fill-in-the-middle rank the samples by it. ``None`` means an ordinary completion, "
        "unless another option of fill-in-the-middle is set.",
    )
    infill_order = _one_of(InfillOrder, doc="Fill-in-the-middle: the order of the prompt.")
    path = _text_or_none(
        doc="Fill-in-the-middle: path of the current file; ``None`` means unknown.",
    )
    repository = _text_or_none(
        doc="Fill-in-the-middle: name of the repository; ``None`` means unknown. It needs ``path``.",
    )
    files: _Option[list[ContextFile], Iterable[ContextFile | tuple[str, str]]] = _Option(
        _read_files, _write_files,
        doc="Fill-in-the-middle: other files of the repository, the most important last. They need "
        "``path``.",
    )
    infill_language = _name_or_none(
        doc="Fill-in-the-middle: language of the current file, by name, for models whose format "
        "names it; ``None`` means unknown.",
    )

    def __init__(self, **settings: Unpack[GenerateSettings]) -> None:
        super().__init__(settings)

    def _own(self, pointer: int) -> None:
        super()._own(pointer)
        self._samplers = ()

    def _apply(self, settings: Mapping[str, Any]) -> None:
        settings = dict(settings)
        if "samplers" in settings:
            self.samplers = settings.pop("samplers")
        super()._apply(settings)

    @property
    def samplers(self) -> tuple[Sampler, ...]:
        """Custom samplers: callables that change the logits of the candidates for the next token,
        see :class:`SamplerInput`.

        They run in this order: after banned ids, logit bias and penalties, before temperature,
        top-k, top-p, min-p and typical-p, and also with greedy decoding. The same input must give
        the same output; with speculative decoding a sampler may run several times for one position.
        It runs on the thread that computes: the calling thread, a thread of a concurrent call on
        the same model, or the thread of a service.

        An exception of a sampler ends the generation, and the call raises it. If a sampler returns
        ``False``, the call raises :class:`~codegeex.CancelledError`.
        """
        return self._samplers

    @samplers.setter
    def samplers(self, samplers: Iterable[Sampler]) -> None:
        given = tuple(samplers)
        for one in given:
            if not callable(one):
                raise TypeError(f"a sampler is a callable, not {type(one).__name__}")
        self._samplers = given

    def add_sampler(self, sampler: Sampler) -> None:
        """Adds a custom sampler, see :attr:`samplers`."""
        self.samplers = (*self._samplers, sampler)

    def copy(self, **settings: Unpack[GenerateSettings]) -> GenerateOptions:
        """A copy of these options with other settings."""
        made = GenerateOptions._of(handle("codegeex_generate_options_clone", self))
        made._samplers = self._samplers
        made._apply(settings)
        return made

    def add_stop(self, stop: str) -> None:
        """Adds a stop string."""
        check("codegeex_generate_options_add_stop", self, *text_argument(stop))

    def add_task_stops(self, task: Task) -> None:
        """Adds the stop strings of a task."""
        check("codegeex_generate_options_add_task_stops", self, task)

    def speculate_by_lookup(self, tokens: int) -> None:
        """Speculative decoding by prompt lookup: up to ``tokens`` draft tokens per step; 0 disables
        it."""
        tokens = size(tokens, "tokens")
        self.speculation = f"lookup:{tokens}" if tokens else "off"

    def speculate_by_model(self, draft: Model, tokens: int) -> None:
        """Speculative decoding with a draft model: up to ``tokens`` draft tokens per step; 0
        disables it."""
        tokens = size(tokens, "tokens")
        check("codegeex_generate_options_set_speculation_model", self, draft, tokens)


class BeamSettings(_CommonSettings, total=False):
    """The attributes of :class:`BeamOptions`, as keywords."""

    num_beams: int
    rules: BeamRules | str
    length_penalty: float
    early_stopping: EarlyStopping | str


class BeamOptions(_CommonOptions):
    """Options of a beam search. Default: four beams, 128 new tokens, the rules of the CodeGeeX
    reference."""

    _kind = "beam_options"
    __slots__ = ()

    num_beams = _size(doc="Number of beams, which is also the maximum number of results.")
    rules = _one_of(BeamRules, doc="How beams are scored and when a search ends.")
    length_penalty = _number(
        doc="Length penalty of the Hugging Face rules: scores are divided by length to this power.",
    )
    early_stopping = _one_of(
        EarlyStopping,
        doc="Early stopping of the Hugging Face rules.",
    )

    def __init__(self, **settings: Unpack[BeamSettings]) -> None:
        super().__init__(settings)


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
    infill: bool
    infill_suffix_tokens: int


class EditOptions(Options):
    """Options of an edit session. Default: at most 64 tokens, token healing, all
    post-processing."""

    _kind = "edit_options"
    _more = ("generate",)
    __slots__ = ("_generate",)
    _generate: GenerateOptions | None

    clip_step = _size(
        doc="Step in tokens by which the beginning of the visible text moves, approximately.",
    )
    reindent = _flag(doc="Re-indent suggestions to the style of the file.")
    cut_at_scope = _flag(doc="Cut suggestions at the end of the cursor's scope.")
    without_overlap = _flag(
        doc="Remove text that already follows the cursor.",
    )
    distinct = _flag(doc="Remove duplicate suggestions.")
    rank = _flag(doc="Rank suggestions by log-probability.")
    suffix_tokens = _size(
        doc="Maximum number of tokens after the cursor used for ranking.",
    )
    infill = _flag(
        doc="Fill-in-the-middle: whether the model sees the text after the cursor, where it has "
        "fill-in-the-middle.",
    )
    infill_suffix_tokens = _size(
        doc="Maximum number of tokens after the cursor in a fill-in-the-middle prompt; at most a "
        "quarter of the context length.",
    )

    def __init__(self, **settings: Unpack[EditSettings]) -> None:
        super().__init__(settings)

    def _own(self, pointer: int) -> None:
        super()._own(pointer)
        self._generate = None

    def _apply(self, settings: Mapping[str, Any]) -> None:
        settings = dict(settings)
        if "generate" in settings:
            self.set_generate(settings.pop("generate"))
        super()._apply(settings)

    def set_generate(self, options: GenerateOptions) -> None:
        """How suggestions are generated, instead of at most 64 tokens with token healing."""
        check("codegeex_edit_options_set_generate", self, options)
        # A call adds samplers to a copy.
        self._generate = options.copy() if options.samplers else None


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
    cache_bytes: int | str | None


def _cache_bytes(*, doc: str) -> _Option[int | str | None, int | str | None]:
    def read(text: str) -> int | str | None:
        return None if text == "none" else text if text == "unlimited" else int(text)

    def write(value: int | str | None, name: str) -> str:
        if value is None or isinstance(value, str):
            return value or "none"
        return str(unsigned(value, 64, name))

    return _Option(read, write, doc=doc)


class ServiceOptions(Options):
    """Limits of a service. Default: 64 concurrent sequences, 8 cached prompts, 1024 waiting
    requests, half of the available memory for the KV cache."""

    _kind = "service_options"
    __slots__ = ()

    sequences = _size(doc="Maximum batch size in sequences.")
    prefill_tokens = _size(doc="Maximum number of prompt tokens per step (chunked prefill).")
    prefixes = _size(
        doc="Size of the prompt cache in prompts, for requests that share a prefix.",
    )
    waiting = _size(doc="Maximum number of waiting requests.")
    cache_bytes = _cache_bytes(
        doc="Limit of the KV cache of all requests together, in bytes; ``None`` means half of the "
        'available memory, ``"unlimited"`` no limit.',
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


def with_suffix(
    options: GenerateOptions | None, suffix: str, settings: Mapping[str, Any]
) -> GenerateOptions:
    """The options of one call that fills in the middle."""
    given = options_or_settings(GenerateOptions, options, settings)
    filled = GenerateOptions() if given is None else given.copy()
    if not isinstance(suffix, str):
        raise TypeError(f"suffix is a str, not {type(suffix).__name__}")
    filled.suffix = suffix
    return filled


class Sampled:
    """The options of one generation: a copy with the samplers, if there are any."""

    def __init__(self, options: GenerateOptions | None) -> None:
        self.options = options
        self.samplers = Samplers(() if options is None else options.samplers)
        if options is not None and options.samplers:
            self.options = GenerateOptions._of(handle("codegeex_generate_options_clone", options))
            for given in self.samplers.arguments():
                check("codegeex_generate_options_add_sampler", self.options, *given)


def sampled_edits(options: EditOptions | None) -> tuple[EditOptions | None, Samplers]:
    """The options of one edit session, and its samplers."""
    if options is None or options._generate is None:
        return options, Samplers(())
    sampled, made = Sampled(options._generate), EditOptions()
    for key in options:
        made[key] = options[key]
    check("codegeex_edit_options_set_generate", made, sampled.options)
    return made, sampled.samplers
