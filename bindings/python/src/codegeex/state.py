"""States and logits: low-level decoding."""

from __future__ import annotations

import ctypes
import enum
import weakref
from collections.abc import Iterable, Iterator, Sequence
from ctypes import byref, c_float, c_size_t
from typing import Any

from . import _abi
from ._handle import (
    Handle,
    bytes_argument,
    check,
    handle,
    ids_argument,
    octets,
    size,
    structs,
    unsigned,
    value,
)
from ._interrupt import interruptible
from ._library import library
from .cancel import CancelToken
from .errors import InvalidArgumentError
from .events import TokenLogprob
from .model import Model

__all__ = ["Logits", "State", "WantedLogits"]


class WantedLogits(enum.IntEnum):
    """Which logits are computed."""

    NONE = _abi.LOGITS_NONE
    LAST = _abi.LOGITS_LAST
    ALL = _abi.LOGITS_ALL


class Logits(Handle):
    """Logits of a call: a sequence of rows. Any number of threads may read one concurrently."""

    _kind = "logits"
    __slots__ = ()

    def __len__(self) -> int:
        return int(value("codegeex_logits_rows", self))

    @property
    def vocab_size(self) -> int:
        """Number of logits per row."""
        return int(value("codegeex_logits_vocab_size", self))

    def __getitem__(self, row: int) -> memoryview[float]:
        """A row, as a read-only memoryview of floats over the library's memory, which stays as long
        as the view: ``numpy.asarray(logits[0])`` copies nothing."""
        cell = self._cell
        pointer = cell.acquire()
        lib, length = library(), c_size_t()
        rows = lib.codegeex_logits_rows(pointer)
        index = row + rows if row < 0 else row
        data = lib.codegeex_logits_row(pointer, index, byref(length)) if 0 <= index < rows else None
        if data is None:
            cell.release()
            raise IndexError(f"row {row} of {rows}")
        block = (c_float * length.value).from_address(data)
        # The view holds the block, and the block the right to use the handle. At exit nothing is
        # given back: a view may be read until the end.
        weakref.finalize(block, cell.release).atexit = False  # type: ignore[misc, unused-ignore]
        view: Any = memoryview(block).cast("B").cast("f").toreadonly()
        floats: memoryview[float] = view
        return floats

    def __iter__(self) -> Iterator[memoryview[float]]:
        return (self[row] for row in range(len(self)))

    def log_probability(self, id: int, row: int = -1) -> float:
        """The log-probability of an id given a row of logits."""
        found = c_float()
        arguments = self._row(row), unsigned(id, 32, "an id")
        check("codegeex_logits_log_probability", self, *arguments, byref(found))
        return found.value

    def top(self, count: int, row: int = -1) -> list[TokenLogprob]:
        """The ``count`` most likely ids of a row, best first."""
        arguments = self._row(row), size(count, "count")
        found = structs("codegeex_logits_top", _abi.TokenLogprob, self, *arguments)
        return [TokenLogprob(one.id, one.logprob) for one in found]

    def _row(self, row: int) -> int:
        rows = len(self)
        if not -rows <= row < rows:
            raise IndexError(f"row {row} of {rows}")
        return row % rows


class State(Handle):
    """The state of one sequence: its KV cache.

    It serves one call at a time; a concurrent call raises :class:`~codegeex.BusyError`. It keeps
    the model alive.
    """

    _kind = "state"
    __slots__ = ()

    def __init__(self, model: Model) -> None:
        self._own(handle("codegeex_state_new", model))

    @classmethod
    def restore(cls, model: Model, data: Any) -> State:
        """Restores a state from bytes that a model with the same fingerprint saved."""
        return cls._of(handle("codegeex_state_restore", model, *bytes_argument(data)))

    def prefill(self, ids: Iterable[int], *, cancel: CancelToken | None = None) -> None:
        """Prefill: processes any number of prompt tokens, in chunks, without logits. Pass the last
        token to :meth:`decode`. After an error the state holds the chunks that were processed
        before it."""
        arguments = ids_argument(ids)
        token = cancel if cancel is not None else CancelToken()
        interruptible(
            lambda: check("codegeex_state_prefill", self, *arguments, token), token.cancel
        )

    def decode(
        self,
        ids: int | Iterable[int],
        wanted: WantedLogits = WantedLogits.LAST,
        *,
        cancel: CancelToken | None = None,
    ) -> Logits:
        """Processes one or more tokens and returns the wanted logits. They are bit-identical for
        any chunking of the tokens. After an error the state is unchanged."""
        given = ids_argument((ids,) if isinstance(ids, int) else ids)
        arguments = ("codegeex_state_decode", self, *given, int(wanted))
        if given[1] <= 1:
            # Too short to be worth another thread.
            return Logits._of(handle(*arguments, cancel))
        token = cancel if cancel is not None else CancelToken()
        return interruptible(lambda: Logits._of(handle(*arguments, token)), token.cancel)

    @staticmethod
    def decode_together(
        states: Sequence[State], ids: Sequence[int], *, cancel: CancelToken | None = None
    ) -> Logits:
        """Batched decode: processes one token for each of several states of one model, reading the
        weights once. Row ``i`` of the logits is for state ``i`` and ``ids[i]``. After an error all
        states are unchanged."""
        given, count = ids_argument(ids)
        if count != len(states):
            raise InvalidArgumentError(f"{len(states)} states, but {count} ids")
        cells = []
        try:
            pointers = (ctypes.c_void_p * count)()
            for index, state in enumerate(states):
                pointers[index] = state._cell.acquire()
                cells.append(state._cell)
            return Logits._of(handle("codegeex_states_decode", pointers, given, count, cancel))
        finally:
            for cell in cells:
                cell.release()

    def __len__(self) -> int:
        """Number of tokens in the state."""
        return int(value("codegeex_state_len", self))

    @property
    def nbytes(self) -> int:
        """Size in bytes, including memory shared with forks."""
        return int(value("codegeex_state_bytes", self))

    def truncate(self, tokens: int) -> None:
        """Truncates to the first ``tokens`` tokens."""
        check("codegeex_state_truncate", self, size(tokens, "tokens"))

    def fork(self) -> State:
        """A copy of the state. Memory is shared until one of the two processes new tokens."""
        return State._of(handle("codegeex_state_fork", self))

    def save(self) -> bytes:
        """The state as bytes."""
        return octets("codegeex_state_save", self)
