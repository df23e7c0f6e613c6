"""Custom samplers.

The library calls one C function for all of them. The samplers are added for each call, so that an
exception finds its way: it ends the generation and is raised by the call that the sampler
worked for, though the thread of another call may have computed it.
"""

from __future__ import annotations

import bisect
import ctypes
import dataclasses
import weakref
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Any, Callable

from . import _abi, _callback
from .errors import BusyError, CancelledError

__all__ = ["Sampler", "SamplerInput"]


@dataclasses.dataclass(frozen=True)
class SamplerInput:
    """What a sampler works on: the candidates for the next token, and the ids before it.

    All of it are memoryviews of 32-bit numbers: sequences, and arrays for libraries such as NumPy
    (``numpy.asarray(input.logits)`` copies nothing). Candidate ``i`` has the id ``ids[i]`` and the
    logit ``logits[i]``.
    """

    #: Ids of the prompt; read-only.
    prompt: memoryview[int]
    #: Ids generated so far; read-only.
    generated: memoryview[int]
    #: Ids of the candidates in ascending order; read-only. Banned ids are not among them.
    ids: memoryview[int]
    #: Logits of the candidates. Change them in place; ``-math.inf`` removes a candidate.
    logits: memoryview[float]

    def find(self, id: int) -> int | None:
        """The index of the candidate with an id; ``None`` if there is none."""
        index = bisect.bisect_left(self.ids, id)
        return index if index < len(self.ids) and self.ids[index] == id else None


Sampler = Callable[[SamplerInput], object]


def _ids(pointer: int, count: int) -> memoryview[int]:
    copy: Any = memoryview(ctypes.string_at(pointer, 4 * count) if count else b"").cast("I")
    ids: memoryview[int] = copy
    return ids


class Samplers:
    """The samplers of one call, and what one of them raised: ``with samplers:`` raises it."""

    def __init__(self, functions: Sequence[Sampler]) -> None:
        self.functions = tuple(functions)
        self._error: BaseException | None = None

    def arguments(self) -> Iterator[tuple[Any, int, Any]]:
        """Callback, userdata and destroy of each for the library.

        The library does not keep the samplers alive: they may refer to what keeps the library's
        copy alive. What makes the call holds them.
        """
        for index in range(len(self.functions)):
            userdata = _callback.register((weakref.ref(self), index))
            yield _SAMPLE, userdata, _callback.DESTROY

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if isinstance(error, BusyError):
            # The exception belongs to the call that uses the handle.
            return
        raised, self._error = self._error, None
        if raised is not None and (error is None or isinstance(error, CancelledError)):
            _callback.reraise(raised)

    def apply(self, index: int, found: Any) -> int:
        if self._error is not None:
            return 1
        try:
            count = found.candidates_len
            # A copy, so that views which outlive the call read their own memory.
            block = (ctypes.c_float * (2 * count))()
            ctypes.memmove(block, found.candidates, ctypes.sizeof(block))
            octets: Any = memoryview(block).cast("B")
            given = SamplerInput(
                _ids(found.prompt, found.prompt_len),
                _ids(found.generated, found.generated_len),
                octets.cast("I")[::2].toreadonly(),
                octets.cast("f")[1::2],
            )
            if self.functions[index](given) is False:
                return 1
            ctypes.memmove(found.candidates, block, ctypes.sizeof(block))
            return 0
        except BaseException as error:
            self._error = error
            return 1


def _sample(userdata: int, found: Any) -> int:
    reference, index = _callback.registered(userdata)
    samplers: Samplers | None = reference()
    # None if the call has no owner any more: its result is not wanted.
    return 1 if samplers is None else samplers.apply(index, found.contents)


_SAMPLE = _abi.SamplerCallback(_sample)
