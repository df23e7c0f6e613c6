"""Models: opening, generation, scoring, conversion."""

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
    path_argument,
    size,
    static_text,
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
    InfillSettings,
    OpenOptions,
    OpenSettings,
    options_or_settings,
    with_suffix,
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

    #: Decoder layers, without the top query layer.
    num_layers: int
    hidden_size: int
    num_attention_heads: int
    num_kv_heads: int
    #: Number of logits per row. Ids at or above the tokenizer's vocabulary size are padding.
    vocab_size: int
    #: Context length in tokens.
    max_positions: int
    parameters: int


class MemoryEstimate(NamedTuple):
    """Memory that a model will need, in bytes."""

    #: Weights used in place in mapped files, shared between processes.
    weights_mapped: int
    #: Weights in private memory.
    weights_owned: int
    #: KV cache of one token.
    cache_per_token: int
    #: KV cache of all sequences at full length.
    cache: int
    #: Activations of the largest call, and its logits.
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
    #: Number of predicted tokens.
    tokens: int


class _Score(Handle):
    _kind = "score"
    __slots__ = ()


class Model(Handle):
    """A loaded model with its tokenizer. Any number of threads may use one concurrently.

    ``path`` is a ``.pt`` file, a folder of ``mp_rank_*`` shards, or safetensors. Pass options as
    :class:`OpenOptions` or as keywords. ``progress`` is called with the bytes copied and the total.
    If it returns ``False``, or ``cancel`` is set, the call raises
    :class:`~codegeex.CancelledError`.

    Ctrl-C cancels long calls. For that, long calls of the main thread run on a second thread, and
    so do their callbacks.
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
        given = path_argument(path)
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
        """A one-line description of the model: sizes, backend, kernels, threads."""
        return lent_text("codegeex_model_describe", self)

    @property
    def config_json(self) -> str:
        """The configuration of the model as JSON."""
        return lent_text("codegeex_model_config_json", self)

    @property
    def infill_format(self) -> str | None:
        """The fill-in-the-middle format of the tokenizer, such as ``starcoder``; ``None`` for a
        model without one."""
        return lent_text("codegeex_model_infill_format", self) or None

    @property
    def kernels(self) -> str:
        """The name of the instruction set that the kernels use."""
        return static_text(value("codegeex_model_kernels", self))

    @property
    def fingerprint(self) -> int:
        """Identifies a model and its weights. A model can restore what a model with the same
        fingerprint saved."""
        found = c_uint64()
        check("codegeex_model_fingerprint", self, byref(found))
        return found.value

    @property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer of the model, as a separate object."""
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

        ``on_event`` receives every token as it is sampled. If it returns ``False``, or any thread
        sets ``cancel``, the call returns the partial result. An exception that it raises also
        cancels, and is raised from this call.
        """
        options = options_or_settings(GenerateOptions, options, settings)
        return _generate.generate("model", self, prompt, options, on_event, cancel)

    def infill(
        self,
        prefix: Prompt,
        suffix: str,
        options: GenerateOptions | None = None,
        *,
        on_event: OnEvent | None = None,
        cancel: CancelToken | None = None,
        **settings: Unpack[InfillSettings],
    ) -> list[Completion]:
        """Completes the text between ``prefix`` and ``suffix``, the text before and after a cursor.

        It uses fill-in-the-middle where the model has it, see :attr:`infill_format`. Other models
        complete ``prefix``, and return several samples best first, ranked by the suffix.
        """
        filled = with_suffix(options, suffix, settings)
        return _generate.generate("model", self, prefix, filled, on_event, cancel)

    def stream(
        self,
        prompt: Prompt,
        options: GenerateOptions | None = None,
        *,
        cancel: CancelToken | None = None,
        **settings: Unpack[GenerateSettings],
    ) -> Stream:
        """Completes a prompt on a separate thread, and iterates over the events."""
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
        """Beam search for the most likely completions of a prompt, best first.

        If ``cancel`` is set, the result is the current beams.
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
    context_length: int,
    options: OpenOptions | None = None,
    **settings: Unpack[OpenSettings],
) -> MemoryEstimate:
    """Estimates the memory that a checkpoint needs for ``sequences`` concurrent sequences of
    ``context_length`` tokens each, without loading it."""
    options = options_or_settings(OpenOptions, options, settings)
    found = _abi.MemoryEstimate(struct_size=ctypes.sizeof(_abi.MemoryEstimate))
    counts = size(sequences, "sequences"), size(context_length, "context_length")
    given = path_argument(path)
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
    """Converts a checkpoint of any supported format to one safetensors file, with optional
    quantization.

    A call that fails or is cancelled leaves ``out`` unchanged. ``progress`` is called with bytes
    written and in total; ``False`` cancels.
    """
    options = options_or_settings(ConvertOptions, options, settings)
    source, target = path_argument(path), path_argument(out)
    token = cancel if cancel is not None else CancelToken()

    def run() -> None:
        with _callback.progress(progress) as (pointer, userdata):
            check("codegeex_convert", *source, opening, *target, options, token, pointer, userdata)

    interruptible(run, token.cancel)
