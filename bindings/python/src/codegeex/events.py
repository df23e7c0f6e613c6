"""Events and results of a generation."""

from __future__ import annotations

import ctypes
import dataclasses
import enum
import struct
from ctypes import c_size_t
from typing import Any, NamedTuple, Union

from . import _abi
from ._handle import Handle, lent, lent_text, value

__all__ = ["Completion", "End", "Event", "FinishReason", "Token", "TokenLogprob"]


class FinishReason(enum.IntEnum):
    """The finish reason of a completion. ``str`` gives its name as the library writes it."""

    NONE = _abi.FINISH_NONE
    END_OF_TEXT = _abi.FINISH_END_OF_TEXT
    STOP = _abi.FINISH_STOP
    LENGTH = _abi.FINISH_LENGTH
    CONTEXT_FULL = _abi.FINISH_CONTEXT_FULL
    CANCELLED = _abi.FINISH_CANCELLED
    DEADLINE = _abi.FINISH_DEADLINE
    PREFILL_LIMIT = _abi.FINISH_PREFILL_LIMIT
    OTHER = _abi.FINISH_OTHER
    END_OF_LINE = _abi.FINISH_END_OF_LINE
    END_OF_BLOCK = _abi.FINISH_END_OF_BLOCK
    END_OF_FUNCTION = _abi.FINISH_END_OF_FUNCTION
    UNINDENTED_LINE = _abi.FINISH_UNINDENTED_LINE
    HUMANEVAL = _abi.FINISH_HUMANEVAL

    def __str__(self) -> str:
        return self.name.lower()

    @classmethod
    def _missing_(cls, value: object) -> FinishReason:
        # One that came after this package.
        return cls.OTHER


class TokenLogprob(NamedTuple):
    """A token with its log-probability under the model, before sampling."""

    id: int
    logprob: float


class Token(NamedTuple):
    """A token was sampled."""

    #: Index of the sample, from 0.
    sample: int
    id: int
    #: Its log-probability under the model, before sampling.
    logprob: float
    #: Newly finalized text. It may be empty: a token may end inside a character, and a possible
    #: beginning of a stop string is held back.
    text: str
    #: The most likely tokens at its position, best first, as many as ``top_logprobs`` of the
    #: options.
    top_logprobs: list[TokenLogprob]


class End(NamedTuple):
    """A sample is complete."""

    #: Index of the sample, from 0.
    sample: int
    #: The rest of its text.
    text: str
    finish_reason: FinishReason
    #: The index in the options of the stop string that ended it.
    stop_index: int | None


Event = Union[Token, End]


@dataclasses.dataclass(frozen=True)
class Completion:
    """A finished sample of a generation, or a beam of a search."""

    #: Without the stop string that ended it.
    text: str
    #: Including those of the stop string.
    ids: list[int]
    #: Of each token under the model, before sampling.
    logprobs: list[float]
    #: The most likely tokens at each position, best first; empty if none were requested.
    top_logprobs: list[list[TokenLogprob]]
    finish_reason: FinishReason
    #: The index in the options of the stop string that ended it.
    stop_index: int | None
    #: The score of a beam by the rules of the search; for a sample, the sum of its
    #: log-probabilities.
    score: float
    #: Draft tokens proposed by speculative decoding.
    drafted: int
    #: Draft tokens accepted by the model.
    accepted: int
    #: With token healing: bytes of the prompt that the first tokens cover. The text begins after
    #: them.
    healed: int


def pairs(data: bytes | None) -> list[TokenLogprob]:
    """Pairs of an array of ``codegeex_token_logprob``."""
    return [TokenLogprob(*pair) for pair in struct.iter_unpack("=If", data or b"")]


def event_of(event: Any) -> Any:
    """An event of the library's; ``None`` for a kind that is none for the host."""
    kind = event.kind
    text = ctypes.string_at(event.text, event.text_len).decode("utf-8") if event.text_len else ""
    if kind == _abi.EVENT_TOKEN:
        top: list[TokenLogprob] = []
        if event.top_logprobs_len:
            top = pairs(ctypes.string_at(event.top_logprobs, 8 * event.top_logprobs_len))
        return Token(event.sample, event.id, event.logprob, text, top)
    if kind == _abi.EVENT_END:
        reason = FinishReason(event.finish_reason)
        stop = event.stop_index if reason is FinishReason.STOP else None
        return End(event.sample, text, reason, stop)
    return None


class Completions(Handle):
    """The library's completions, until they are copied."""

    _kind = "completions"
    __slots__ = ()


def copy_completions(held: Completions) -> list[Completion]:
    """All completions of a handle, which is closed."""
    with held:
        count = value("codegeex_completions_count", held)
        return [_completion(held, index) for index in range(count)]


def floats(data: bytes | None) -> list[float]:
    """The numbers of an array of floats."""
    return [one for (one,) in struct.iter_unpack("=f", data or b"")]


def _completion(held: Completions, index: int) -> Completion:
    raw = lent("codegeex_completions_ids", held, index, size=4) or b""
    ids = [one for (one,) in struct.iter_unpack("=I", raw)]
    first = lent("codegeex_completions_top_logprobs", held, index, 0, size=8)
    top = []
    if first is not None:
        top = [
            pairs(lent("codegeex_completions_top_logprobs", held, index, token, size=8))
            for token in range(len(ids))
        ]
    stop = value("codegeex_completions_stop_index", held, index)
    return Completion(
        text=lent_text("codegeex_completions_text", held, index),
        ids=ids,
        logprobs=floats(lent("codegeex_completions_logprobs", held, index, size=4)),
        top_logprobs=top,
        finish_reason=FinishReason(value("codegeex_completions_finish_reason", held, index)),
        stop_index=None if stop == c_size_t(-1).value else stop,
        score=value("codegeex_completions_score", held, index),
        drafted=value("codegeex_completions_drafted", held, index),
        accepted=value("codegeex_completions_accepted", held, index),
        healed=value("codegeex_completions_healed", held, index),
    )
