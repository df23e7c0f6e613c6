"""Source code without a model: where a completion ends, and what editors do before they show it.

A language is one of its names, such as ``python``. Stop rules are ``line``, ``block``,
``function``, ``unindented`` and ``humaneval``; the first that matches ends the completion.
``before`` and ``after`` are the texts left and right of the cursor.
"""

from __future__ import annotations

import array
import ctypes
import dataclasses
import enum
from collections.abc import Iterable
from ctypes import byref, c_int32, c_size_t
from typing import Any, NamedTuple, Optional

from . import _abi
from ._handle import Handle, check, handle, structs, take_text, text, text_argument
from .events import FinishReason

__all__ = [
    "TABS",
    "CodeStop",
    "CodeToken",
    "Cut",
    "Kind",
    "Likelihood",
    "Ranked",
    "cut",
    "cut_at_scope",
    "distinct",
    "indentation",
    "rank",
    "reindent",
    "scan",
    "without_overlap",
]

#: Indentation by tabs.
TABS = _abi.INDENT_TABS


class Cut(NamedTuple):
    """The text that belongs to a completion, and the rule that ended it."""

    text: str
    #: ``FinishReason.NONE`` if no rule matched.
    finish_reason: FinishReason


def _rules(rules: str | Iterable[str]) -> tuple[bytes, int]:
    return text_argument(rules if isinstance(rules, str) else ",".join(rules))


class CodeStop(Handle):
    """Finds where code ends while text is added piece by piece.

    ``rules`` are names of stop rules, as a list or separated by commas. It serves one call at a
    time; a concurrent call raises :class:`~codegeex.BusyError`.
    """

    _kind = "code_stop"
    __slots__ = ()

    def __init__(self, language: str, rules: str | Iterable[str], before: str = "") -> None:
        given = (*text_argument(language), *_rules(rules), *text_argument(before))
        self._own(handle("codegeex_code_stop_new", *given))

    def push(self, piece: str) -> Cut:
        """Adds a piece of the completion and returns the text that is certainly part of it, which
        may be empty. Text that is added after a rule matched is dropped."""
        data, length, reason = ctypes.c_void_p(), c_size_t(), c_int32()
        found = byref(data), byref(length), byref(reason)
        check("codegeex_code_stop_push", self, *text_argument(piece), *found)
        return Cut(take_text(data, length), FinishReason(reason.value))

    def finish(self) -> str:
        """Ends the completion and returns the text that was held back, which may be empty."""
        return text("codegeex_code_stop_finish", self)


def _kept(function: str, completion: str, *arguments: Any) -> str:
    """The beginning of a completion that a function keeps."""
    length = c_size_t()
    check(function, *arguments, byref(length))
    return completion.encode("utf-8")[: length.value].decode("utf-8")


def cut(language: str, rules: str | Iterable[str], before: str, completion: str) -> Cut:
    """A whole completion up to where the first stop rule ends it."""
    reason, length = c_int32(), c_size_t()
    given = (*text_argument(language), *_rules(rules), *text_argument(before))
    encoded, size = text_argument(completion)
    check("codegeex_code_cut", *given, encoded, size, byref(length), byref(reason))
    return Cut(encoded[: length.value].decode("utf-8"), FinishReason(reason.value))


def cut_at_scope(language: str, before: str, completion: str) -> str:
    """A completion up to where the scope of the cursor ends."""
    given = (*text_argument(language), *text_argument(before), *text_argument(completion))
    return _kept("codegeex_code_cut_at_scope", completion, *given)


def without_overlap(language: str, before: str, completion: str, after: str) -> str:
    """A completion without the part that the text after the cursor repeats."""
    given = (*text_argument(language), *text_argument(before), *text_argument(completion))
    return _kept("codegeex_code_without_overlap", completion, *given, *text_argument(after))


def indentation(language: str, code: str) -> int | None:
    """The indentation of a text: :data:`TABS`, or a number of spaces; ``None`` if unknown."""
    found = c_int32()
    check("codegeex_code_indentation", *text_argument(language), *text_argument(code), byref(found))
    return None if found.value == _abi.INDENT_UNKNOWN else found.value


def reindent(language: str, indentation: int, before: str, completion: str) -> str:
    """A completion with the indentation of the file: :data:`TABS` or a number of spaces from 1 to
    16."""
    # Out of range either way: ctypes would cut a number that does not fit.
    style = max(-2, min(indentation, 1 << 16))
    given = (style, *text_argument(before), *text_argument(completion))
    return text("codegeex_code_reindent", *text_argument(language), *given)


def distinct(candidates: Iterable[str]) -> list[int]:
    """Indices of the candidates worth showing: neither blank nor equal to an earlier candidate,
    ignoring white space at the end."""
    texts = [text_argument(candidate) for candidate in candidates]
    given = (_abi.Text * len(texts))()
    for one, (encoded, size) in zip(given, texts):
        one.data, one.len = ctypes.cast(ctypes.c_char_p(encoded), ctypes.c_void_p), size
    return structs("codegeex_code_distinct", c_size_t, given, len(texts))


class Likelihood(NamedTuple):
    """The log-probabilities (natural logarithms) of a candidate, for :func:`rank`."""

    #: The log-probability of each token of the candidate.
    logprobs: Iterable[float]
    #: The log-probability of each token of the text after the cursor, given the text before the
    #: cursor and the candidate; ``None`` or empty if unknown.
    suffix: Optional[Iterable[float]] = None


@dataclasses.dataclass(frozen=True)
class Ranked:
    """A ranked candidate."""

    #: Index of the candidate.
    index: int
    #: Mean log-probability per token, higher is better; never NaN.
    score: float


def rank(candidates: Iterable[Likelihood]) -> list[Ranked]:
    """Ranks candidates by mean log-probability per token, best first. If all candidates have
    ``suffix``, its mean is added."""
    rows = [
        (array.array("f", logprobs), array.array("f", () if suffix is None else suffix))
        for logprobs, suffix in candidates
    ]
    given = (_abi.Likelihood * len(rows))()
    for one, (logprobs, suffix) in zip(given, rows):
        one.logprobs, one.logprobs_len = logprobs.buffer_info()
        one.suffix, one.suffix_len = suffix.buffer_info()
    found = structs("codegeex_code_rank", _abi.Ranked, given, len(rows))
    return [Ranked(one.index, one.score) for one in found]


class Kind(enum.IntEnum):
    """What a token of source code is."""

    #: A space, tab or other blank in code, except a line break.
    BLANK = _abi.CODE_BLANK
    #: A line break in code, or at the end of a line comment.
    NEWLINE = _abi.CODE_NEWLINE
    #: A word, a number, or a keyword that neither opens nor closes a block.
    WORD = _abi.CODE_WORD
    #: A bracket or keyword that opens.
    OPENER = _abi.CODE_OPENER
    #: A bracket or keyword that closes what was open.
    CLOSER = _abi.CODE_CLOSER
    #: A closer without an opener.
    STRAY = _abi.CODE_STRAY
    #: Any other character of code, and what is newer than this package.
    SYMBOL = _abi.CODE_SYMBOL
    #: A string with its delimiters, or part of one.
    STRING = _abi.CODE_STRING
    #: A comment with its delimiters, or part of one.
    COMMENT = _abi.CODE_COMMENT

    @classmethod
    def _missing_(cls, value: object) -> Kind:
        return cls.SYMBOL


class CodeToken(NamedTuple):
    """A token of source code."""

    #: Index of its first character in the text.
    start: int
    text: str
    kind: Kind
    #: Number of open brackets and blocks after this token.
    depth: int


def scan(language: str, code: str) -> list[CodeToken]:
    """The tokens of source code, which cover all of it: what is code, string or comment, and how
    many brackets and blocks are open."""
    encoded, size = text_argument(code)
    tokens: list[CodeToken] = []
    start = 0
    for one in structs(
        "codegeex_code_scan", _abi.CodeToken, *text_argument(language), encoded, size
    ):
        part = encoded[one.start : one.start + one.len].decode("utf-8")
        tokens.append(CodeToken(start, part, Kind(one.kind), one.depth))
        start += len(part)
    return tokens
