"""Python callbacks of the library.

There is one C function of each kind for the whole process, which is never freed. Its userdata is
the number of the registered Python callback. An exception of a callback cancels the call and is
raised again after it.
"""

from __future__ import annotations

import ctypes
import itertools
import logging
from types import TracebackType
from typing import Any, Callable, NoReturn

from . import _abi
from .events import End, Token, event_of

_numbers = itertools.count(1)
_registered: dict[int, Any] = {}


def reraise(error: BaseException) -> NoReturn:
    """Raises what a callback raised, instead of what the library reports: that it was cancelled."""
    context = error.__context__
    try:
        raise error
    finally:
        # Its own, and not the library's error.
        error.__context__ = context


class Listener:
    """A callback during a call: ``with Listener(function) as (pointer, userdata)``."""

    def __init__(self, function: Callable[..., object] | None, pointer: Any) -> None:
        self.function = function
        self.error: BaseException | None = None
        self._pointer = pointer
        self._number = 0

    def __enter__(self) -> tuple[Any, int | None]:
        if self.function is None:
            return None, None
        self._number = next(_numbers)
        _registered[self._number] = self
        return self._pointer, self._number

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        _registered.pop(self._number, None)
        raised, self.error = self.error, None
        if raised is not None:
            reraise(raised)

    def hear(self, *arguments: object) -> int:
        if self.error is not None:
            return 1
        try:
            assert self.function is not None
            return 1 if self.function(*arguments) is False else 0
        except BaseException as error:
            self.error = error
            return 1


def _hear_event(userdata: int, event: Any) -> int:
    listener: Listener = _registered[userdata]
    heard = event_of(event.contents)
    # Ignore kinds that are newer than this package.
    return 0 if heard is None else listener.hear(heard)


def _hear_progress(userdata: int, done: int, total: int) -> int:
    listener: Listener = _registered[userdata]
    return listener.hear(done, total)


_EVENT = _abi.EventCallback(_hear_event)
_PROGRESS = _abi.ProgressCallback(_hear_progress)


def events(function: Callable[[Token | End], object] | None) -> Listener:
    """An event callback; ``False`` cancels."""
    return Listener(function, _EVENT)


def progress(function: Callable[[int, int], object] | None) -> Listener:
    """A progress callback; ``False`` cancels."""
    return Listener(function, _PROGRESS)


_LEVELS = {
    _abi.LOG_ERROR: logging.ERROR,
    _abi.LOG_WARNING: logging.WARNING,
    _abi.LOG_INFO: logging.INFO,
    _abi.LOG_DEBUG: logging.DEBUG,
}


def log_level(level: int) -> int:
    """The library's level up to which a level of ``logging`` lets messages pass."""
    passing = [ours for ours, theirs in _LEVELS.items() if theirs >= level]
    return max(passing, default=_abi.LOG_ERROR)


def _say(userdata: int, level: int, message: int, length: int) -> None:
    logger: logging.Logger = _registered[userdata]
    logger.log(
        _LEVELS.get(level, logging.DEBUG),
        "%s",
        ctypes.string_at(message, length).decode("utf-8", "replace"),
    )


def _destroy(userdata: int) -> None:
    _registered.pop(userdata, None)


_SAY = _abi.LogCallback(_say)
#: Forgets what was registered, for userdata that the library gives back.
DESTROY = _abi.DestroyCallback(_destroy)


def register(value: Any) -> int:
    """Userdata for a value, until :data:`DESTROY` is called with it."""
    number = next(_numbers)
    _registered[number] = value
    return number


def registered(userdata: int) -> Any:
    """The value of userdata."""
    return _registered[userdata]


def log_arguments(logger: logging.Logger) -> tuple[Any, int, Any]:
    """Callback, userdata and destroy of a logger, which is kept until the library gives it back."""
    return _SAY, register(logger), DESTROY
