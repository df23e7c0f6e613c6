"""Models: opening one, and everything that one does."""

from __future__ import annotations

import ctypes
import os
from ctypes import byref, c_double, c_size_t, c_uint64
from math import isnan
from typing import TYPE_CHECKING, Any, Callable, NamedTuple, Optional

from . import _abi, _callback, _generate
from ._generate import OnEvent, Prompt
from ._handle import (
    Handle,
    check,
    handle,
    ids_argument,
    lent,
    lent_text,
    size,
    static_text,
    text_argument,
    value,
)
from ._interrupt import interruptible
from .cancel import CancelToken
from .events import Completion, Completions, TokenLogprob, copy_completions, floats, pairs
from .options import (
    BeamOptions,
    BeamSettings,
    ConvertOptions,
    ConvertSettings,
    GenerateOptions,
    GenerateSettings,
    OpenOptions,
    OpenSettings,
    options_or_settings,
)
from .stream import Stream
from .tokenizer import Tokenizer

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = [
    "MemoryEstimate",
    "Model",
    "ModelInfo",
    "Perplexity",
    "Score",
    "convert",
    "estimate_memory",
]

OnProgress = Callable[[int, int], object]


class ModelInfo(NamedTuple):
    """Sizes of a model."""

    #: Decoder layers, the top query layer not counted.
    num_layers: int
    hidden_size: int
    num_attention_heads: int
    num_kv_heads: int
    #: Ids that logits are computed for; those from the tokenizer's vocabulary size on are padding.
    vocab_size: int
    #: Longest sequence.
    max_positions: int
    parameters: int


class MemoryEstimate(NamedTuple):
    """What a model will take, in bytes."""

    #: Weights used where they lie in mapped files, shared between processes.
    weights_mapped: int
    #: Weights in memory of their own.
    weights_owned: int
    #: Keys and values of one token.
    cache_per_token: int
    #: Keys and values of every sequence at its full length.
    cache: int
    #: Activations of the largest call, and logits.
    scratch: int
    total: int


class Score(NamedTuple):
    """Log-probabilities of given tokens."""

    #: The log-probability of each token given the tokens before it; ``None`` for the first.
    logprobs: list[Optional[float]]
    #: The most likely next tokens, best first.
    top: list[TokenLogprob]


class Perplexity(NamedTuple):
    """How well a model predicts a text."""

    #: The exponential of the mean negative log-probability.
    value: float
    #: The sum of log-probabilities.
    log_probability: float
    #: How many tokens were predicted.
    tokens: int


class _Score(Handle):
    _kind = "score"
    __slots__ = ()


class Model(Handle):
    """A model with its tokenizer, ready to compute. Any number of threads may use one at once.

    ``path`` is a ``.pt`` file, a folder of ``mp_rank_*`` shards, or safetensors. How it is opened
    is said by :class:`OpenOptions` or its attributes as keywords. ``progress`` is called with bytes
    that were copied and of how many; when it returns ``False``, or ``cancel`` is set, the call ends
    with :class:`~codegeex.CancelledError`.

    Long calls can be interrupted: Ctrl-C cancels them. For that, those of the main thread run on
    another one, and so do their callbacks.
    """

    _kind = "model"
    __slots__ = ()

    def __init__(
        self,
        path: str | os.PathLike[str],
        options: OpenOptions | None = None,
        *,
        progress: OnProgress | None = None,
        cancel: CancelToken | None = None,
        **settings: Unpack[OpenSettings],
    ) -> None:
        opening = options_or_settings(OpenOptions, options, settings)
        given = text_argument(os.fspath(path))
        token = cancel if cancel is not None else CancelToken()

        def run() -> None:
            with _callback.progress(progress) as (pointer, userdata):
                arguments = (*given, opening, token, pointer, userdata)
                self._own(handle("codegeex_model_open", *arguments))

        interruptible(run, token.cancel)

    @property
    def info(self) -> ModelInfo:
        """Sizes of the model."""
        info = _abi.ModelInfo(struct_size=ctypes.sizeof(_abi.ModelInfo))
        check("codegeex_model_get_info", self, byref(info))
        return ModelInfo(*(getattr(info, name) for name in ModelInfo._fields))

    def describe(self) -> str:
        """One line about the model: sizes, backend, kernels, threads."""
        return lent_text("codegeex_model_describe", self)

    @property
    def config_json(self) -> str:
        """The configuration of the model as JSON."""
        return lent_text("codegeex_model_config_json", self)

    @property
    def kernels(self) -> str:
        """The name of the instruction set that the kernels use."""
        return static_text(value("codegeex_model_kernels", self))

    @property
    def fingerprint(self) -> int:
        """Tells a model and its weights from others: one with the same number can restore what
        another saved."""
        found = c_uint64()
        check("codegeex_model_fingerprint", self, byref(found))
        return found.value

    @property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer of the model, as an object of its own."""
        return Tokenizer._of(handle("codegeex_model_tokenizer", self))

    def generate(
        self,
        prompt: Prompt,
        options: GenerateOptions | None = None,
        *,
        on_event: OnEvent | None = None,
        cancel: CancelToken | None = None,
        **settings: Unpack[GenerateSettings],
    ) -> list[Completion]:
        """Completes a prompt, a text or ids: one completion for each sample.

        ``on_event`` hears every token as it is drawn. When it returns ``False``, or ``cancel`` is
        set by any thread, the call returns what was generated so far; what it raises cancels as
        well, and is raised from here.
        """
        options = options_or_settings(GenerateOptions, options, settings)
        return _generate.generate("model", self, prompt, options, on_event, cancel)

    def stream(
        self,
        prompt: Prompt,
        options: GenerateOptions | None = None,
        *,
        cancel: CancelToken | None = None,
        **settings: Unpack[GenerateSettings],
    ) -> Stream:
        """Completes a prompt on a thread of its own, and iterates over what happens."""
        options = options_or_settings(GenerateOptions, options, settings)
        return _generate.stream("model", self, prompt, options, cancel)

    def beam_search(
        self,
        prompt: Prompt,
        options: BeamOptions | None = None,
        *,
        cancel: CancelToken | None = None,
        **settings: Unpack[BeamSettings],
    ) -> list[Completion]:
        """Searches for the likeliest continuations of a prompt, best first.

        Once ``cancel`` is set, the beams of that moment are the result.
        """
        options = options_or_settings(BeamOptions, options, settings)
        function, *given = _generate.prompt_argument("codegeex_model_beam_search", prompt)
        token = cancel if cancel is not None else CancelToken()
        return interruptible(
            lambda: copy_completions(
                Completions._of(handle(function, self, *given, options, token))
            ),
            token.cancel,
        )

    def _ids(self, prompt: Prompt) -> tuple[Any, int]:
        """The ids of a prompt as the library takes them."""
        return ids_argument(self.tokenizer.encode(prompt) if isinstance(prompt, str) else prompt)

    def score(
        self, prompt: Prompt, top: int = 0, *, cancel: CancelToken | None = None
    ) -> Score:
        """Log-probabilities of a text or of token ids, and the ``top`` most likely next tokens."""
        arguments = (*self._ids(prompt), size(top, "top"))
        token = cancel if cancel is not None else CancelToken()

        def run() -> Score:
            with _Score._of(handle("codegeex_model_score", self, *arguments, token)) as held:
                logprobs = floats(lent("codegeex_score_logprobs", held, size=4))
                return Score(
                    # The first token has no log-probability: NaN in C.
                    [None if isnan(x) else x for x in logprobs],
                    pairs(lent("codegeex_score_top", held, size=8)),
                )

        return interruptible(run, token.cancel)

    def perplexity(
        self,
        prompt: Prompt,
        *,
        progress: OnProgress | None = None,
        cancel: CancelToken | None = None,
    ) -> Perplexity:
        """Perplexity of a text or of token ids, at least two, in windows of the context length.
        ``progress`` is called with tokens done and in total; ``False`` cancels."""
        arguments = self._ids(prompt)
        token = cancel if cancel is not None else CancelToken()

        def run() -> Perplexity:
            found, log_probability, tokens = c_double(), c_double(), c_size_t()
            with _callback.progress(progress) as (pointer, userdata):
                check(
                    "codegeex_model_perplexity",
                    self,
                    *arguments,
                    token,
                    pointer,
                    userdata,
                    byref(found),
                    byref(log_probability),
                    byref(tokens),
                )
            return Perplexity(found.value, log_probability.value, tokens.value)

        return interruptible(run, token.cancel)


def estimate_memory(
    path: str | os.PathLike[str],
    sequences: int,
    positions: int,
    options: OpenOptions | None = None,
    **settings: Unpack[OpenSettings],
) -> MemoryEstimate:
    """How much memory a checkpoint will take for ``sequences`` at the same time of ``positions``
    tokens each, without loading it."""
    options = options_or_settings(OpenOptions, options, settings)
    found = _abi.MemoryEstimate(struct_size=ctypes.sizeof(_abi.MemoryEstimate))
    counts = size(sequences, "sequences"), size(positions, "positions")
    given = text_argument(os.fspath(path))
    check("codegeex_estimate_memory", *given, options, *counts, byref(found))
    return MemoryEstimate(*(getattr(found, name) for name in MemoryEstimate._fields))


def convert(
    path: str | os.PathLike[str],
    out: str | os.PathLike[str],
    options: ConvertOptions | None = None,
    *,
    opening: OpenOptions | None = None,
    progress: OnProgress | None = None,
    cancel: CancelToken | None = None,
    **settings: Unpack[ConvertSettings],
) -> None:
    """Converts a checkpoint in any form into one safetensors file, quantized if the options say so.

    A call that fails or is cancelled leaves ``out`` as it was. ``progress`` is called with bytes
    written and in total; ``False`` cancels.
    """
    options = options_or_settings(ConvertOptions, options, settings)
    source, target = text_argument(os.fspath(path)), text_argument(os.fspath(out))
    token = cancel if cancel is not None else CancelToken()

    def run() -> None:
        with _callback.progress(progress) as (pointer, userdata):
            check("codegeex_convert", *source, opening, *target, options, token, pointer, userdata)

    interruptible(run, token.cancel)
