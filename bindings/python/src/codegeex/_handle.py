"""Handles of the library, and calls with them.

A handle is freed when its object is closed or collected, but not while a call or a view of its
memory uses it.
"""

from __future__ import annotations

import array
import ctypes
import operator
import os
import threading
import weakref
from collections.abc import Iterable
from ctypes import byref, c_size_t, c_void_p
from types import TracebackType
from typing import Any, Callable, ClassVar, TypeVar

from . import errors
from ._library import library

Self = TypeVar("Self", bound="Handle")


class _Cell:
    """A pointer with a use count. It is freed when it is closed and unused."""

    __slots__ = ("_closed", "_free", "_lock", "_pointer", "_users", "kind")

    def __init__(self, pointer: int, kind: str) -> None:
        self.kind = kind
        self._pointer: int | None = pointer
        self._free: Callable[[int], None] = getattr(library(), f"codegeex_{kind}_free")
        self._users = 0
        self._closed = False
        # A signal handler may close what its own thread is about to use.
        self._lock = threading.RLock()

    def acquire(self) -> int:
        with self._lock:
            if self._closed or self._pointer is None:
                raise errors.InvalidArgumentError(f"this {self.kind.replace('_', ' ')} is closed")
            self._users += 1
            return self._pointer

    def release(self) -> None:
        with self._lock:
            self._users -= 1
            pointer = self._take()
        if pointer is not None:
            self._free(pointer)

    def close(self) -> None:
        with self._lock:
            self._closed = True
            pointer = self._take()
        if pointer is not None:
            self._free(pointer)

    @property
    def closed(self) -> bool:
        return self._closed

    def _take(self) -> int | None:
        if not self._closed or self._users > 0:
            return None
        pointer, self._pointer = self._pointer, None
        return pointer


class Handle:
    """Owns something of the library; a context manager that closes it."""

    _kind: ClassVar[str]
    __slots__ = ("__weakref__", "_cell", "_finalizer")

    def _own(self, pointer: int) -> None:
        self._cell = _Cell(pointer, self._kind)
        # Holds the cell and not this object.
        self._finalizer = weakref.finalize(self, self._cell.close)

    @classmethod
    def _of(cls: type[Self], pointer: int) -> Self:
        made = cls.__new__(cls)
        made._own(pointer)
        return made

    def close(self) -> None:
        """Frees it, once calls that use it have returned. Closing twice does nothing."""
        self._finalizer()

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self._cell.closed

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def value(function: str, *arguments: Any) -> Any:
    """Calls a function that returns a value."""
    cells: list[_Cell] = []
    try:
        return getattr(library(), function)(*_raw(arguments, cells))
    finally:
        for cell in cells:
            cell.release()


def check(function: str, *arguments: Any) -> None:
    """Calls a function that returns a status, and raises what it reports."""
    error = c_void_p()
    status = value(function, *arguments, byref(error))
    if status:
        raise _error(status, error.value)


def handle(function: str, *arguments: Any) -> int:
    """Calls a function that makes a handle."""
    made = c_void_p()
    check(function, *arguments, byref(made))
    assert made.value is not None
    return made.value


def _array(function: str, size: int, arguments: tuple[Any, ...]) -> bytes:
    data, length = c_void_p(), c_size_t()
    check(function, *arguments, byref(data), byref(length))
    return _take(data, length.value * size)


def _take(data: c_void_p, size: int) -> bytes:
    """A copy of what the library returned to the caller, which is freed."""
    try:
        return ctypes.string_at(data, size) if data.value else b""
    finally:
        library().codegeex_free(data)


def text(function: str, *arguments: Any) -> str:
    """Calls a function that makes a text."""
    return _array(function, 1, arguments).decode("utf-8")


def take_text(data: c_void_p, length: c_size_t) -> str:
    """A text that a function made besides other results."""
    return _take(data, length.value).decode("utf-8")


def octets(function: str, *arguments: Any) -> bytes:
    """Calls a function that makes bytes."""
    return _array(function, 1, arguments)


def id_list(function: str, *arguments: Any) -> list[int]:
    """Calls a function that makes ids."""
    return array.array("I", _array(function, 4, arguments)).tolist()


def structs(function: str, kind: Any, *arguments: Any) -> list[Any]:
    """Calls a function that makes an array of structs or numbers of a type of ctypes."""
    size = ctypes.sizeof(kind)
    data = _array(function, size, arguments)
    return list((kind * (len(data) // size)).from_buffer_copy(data))


def lent(function: str, owner: Handle, *arguments: Any, size: int = 1) -> bytes | None:
    """A copy of an array that a handle lends; ``None`` where there is none."""
    pointer = owner._cell.acquire()
    try:
        length = c_size_t()
        data = getattr(library(), function)(pointer, *arguments, byref(length))
        return None if data is None else ctypes.string_at(data, length.value * size)
    finally:
        owner._cell.release()


def lent_text(function: str, owner: Handle, *arguments: Any) -> str:
    """A copy of a text that a handle lends."""
    return (lent(function, owner, *arguments) or b"").decode("utf-8")


def static_text(pointer: int | None) -> str:
    """A static string."""
    return "" if pointer is None else ctypes.string_at(pointer).decode("utf-8")


def ids_argument(ids: Iterable[int]) -> tuple[Any, int]:
    """Ids as the library takes them: a pointer and how many.

    Bytes are iterable as numbers, and so would be taken for ids; a text is no list of ids either.
    """
    if isinstance(ids, (str, bytes, bytearray, memoryview)) or not isinstance(ids, Iterable):
        raise TypeError(f"expected token ids, a list of int, and not {type(ids).__name__}")
    if isinstance(ids, array.array) and ids.typecode == "I":
        held = ids
    else:
        given = list(ids)
        try:
            held = array.array("I", given)
        except OverflowError:
            # One of them is no id: says which.
            held = array.array("I", [unsigned(one, 32, "an id") for one in given])
    if not held:
        return None, 0
    return (ctypes.c_uint32 * len(held)).from_buffer_copy(held), len(held)


def bytes_argument(data: Any) -> tuple[Any, int]:
    """Bytes as the library takes them."""
    held = data if isinstance(data, bytes) else bytes(memoryview(data))
    return held, len(held)


def path_argument(path: str | os.PathLike[str]) -> tuple[bytes, int]:
    """A path as the library takes it."""
    given = os.fspath(path) if isinstance(path, os.PathLike) else path
    if not isinstance(given, str):
        hint = "; os.fsdecode() decodes it" if isinstance(given, bytes) else ""
        found = type(given).__name__ + hint
        raise TypeError(f"a path is a str or an os.PathLike of str, not {found}")
    return text_argument(given)


def text_argument(given: str) -> tuple[bytes, int]:
    """A text as the library takes it."""
    if not isinstance(given, str):
        raise TypeError(f"expected a str, not {type(given).__name__}")
    held = given.encode("utf-8")
    return held, len(held)


def unsigned(given: Any, bits: int, what: str) -> int:
    """A number that fits; ctypes would cut it."""
    number = operator.index(given)
    if not 0 <= number < 1 << bits:
        raise errors.InvalidArgumentError(f"{what} is {number}, and must be from 0 to 2**{bits}-1")
    return number


def size(given: Any, what: str) -> int:
    """A number that fits a ``size_t``."""
    return unsigned(given, 8 * ctypes.sizeof(c_size_t), what)


def _raw(arguments: tuple[Any, ...], cells: list[_Cell]) -> list[Any]:
    raw = []
    for argument in arguments:
        if isinstance(argument, Handle):
            raw.append(argument._cell.acquire())
            cells.append(argument._cell)
        else:
            raw.append(argument)
    return raw


def _error(status: int, pointer: int | None) -> errors.Error:
    """Converts an error of the library and frees it."""
    lib = library()
    if pointer is None:
        return errors.of_status(status)(static_text(lib.codegeex_status_name(status)), (), status)
    try:
        length = c_size_t()
        data = lib.codegeex_error_message(pointer, byref(length))
        message = ctypes.string_at(data, length.value).decode("utf-8")
        causes = []
        for index in range(lib.codegeex_error_causes(pointer)):
            data = lib.codegeex_error_cause(pointer, index, byref(length))
            causes.append(ctypes.string_at(data, length.value).decode("utf-8"))
        status = lib.codegeex_error_code(pointer)
        return errors.of_status(status)(message, tuple(causes), status)
    finally:
        lib.codegeex_error_free(pointer)
