"""Finds and loads the shared library, once."""

from __future__ import annotations

import ctypes
import ctypes.util
import os
import pathlib
import threading

from . import _abi
from .errors import LibraryError

__all__ = ["library", "load"]

#: Names the library where :func:`load` was not called.
VARIABLE = "CODEGEEX_LIBRARY"
_SONAME = f"libcodegeex.so.{_abi.ABI_MAJOR}"

_lock = threading.Lock()
_loaded: ctypes.CDLL | None = None


def load(path: str | os.PathLike[str] | None = None) -> None:
    """Loads the shared library, which the first use does otherwise.

    Without a path it is what the environment variable ``CODEGEEX_LIBRARY`` names, else a
    ``libcodegeex.so`` beside the modules of this package, else what the system's loader finds.
    Raises :class:`~codegeex.LibraryError` where there is none, where its ABI does not serve this
    package, and where another library than the one of the path is loaded already.
    """
    global _loaded
    with _lock:
        if _loaded is not None:
            if path is not None and not _same(_loaded._name, os.fspath(path)):
                raise LibraryError(f"{_loaded._name} is loaded already, and not {os.fspath(path)}")
            return
        _loaded = _prepare(_open(None if path is None else os.fspath(path)))


def library() -> ctypes.CDLL:
    """The library, loaded if need be."""
    if _loaded is None:
        load()
    assert _loaded is not None
    return _loaded


def _same(one: str, other: str) -> bool:
    try:
        return os.path.samefile(one, other)
    except OSError:
        return one == other


def _open(path: str | None) -> ctypes.CDLL:
    path = path or os.environ.get(VARIABLE)
    if path:
        # A name without a slash would be searched for elsewhere.
        return _try([os.path.abspath(path)])
    beside = pathlib.Path(__file__).resolve().parent
    candidates = [
        str(beside / name) for name in (_SONAME, "libcodegeex.so") if (beside / name).exists()
    ]
    candidates += [_SONAME, "libcodegeex.so"]
    found = ctypes.util.find_library("codegeex")
    return _try(candidates + ([found] if found else []))


def _try(candidates: list[str]) -> ctypes.CDLL:
    reasons = []
    for candidate in candidates:
        try:
            return ctypes.CDLL(candidate)
        except OSError as error:
            reasons.append(str(error))
    raise LibraryError(
        f"the codegeex library cannot be loaded; give its path to codegeex.load or in {VARIABLE}",
        tuple(dict.fromkeys(reasons)),
    )


def _prepare(found: ctypes.CDLL) -> ctypes.CDLL:
    name = found._name
    try:
        version = int(found.codegeex_abi_version())
    except AttributeError:
        raise LibraryError(f"{name} is not a codegeex library") from None
    major, minor = divmod(version, 65536)
    if major != _abi.ABI_MAJOR or minor < _abi.ABI_MINOR:
        raise LibraryError(
            f"{name} has ABI {major}.{minor}, and this package needs {_abi.ABI_MAJOR}."
            f"{_abi.ABI_MINOR} or a later {_abi.ABI_MAJOR}.x: install matching versions"
        )
    for function, (result, arguments) in _abi.FUNCTIONS.items():
        try:
            entry = getattr(found, function)
        except AttributeError:
            raise LibraryError(f"{name} has no {function}, though its ABI says so") from None
        entry.restype, entry.argtypes = result, arguments
    return found
