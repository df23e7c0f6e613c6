"""Errors: one class for each status, under :class:`Error`."""

from __future__ import annotations

from . import _abi

__all__ = [
    "Error",
    "InvalidArgumentError",
    "TokenOutOfRangeError",
    "ContextOverflowError",
    "StateMismatchError",
    "IoError",
    "NotFoundError",
    "MalformedFileError",
    "UnsupportedFileError",
    "MissingTensorError",
    "ShapeMismatchError",
    "MissingConfigError",
    "InvalidConfigError",
    "InvalidUtf8Error",
    "InvalidVocabularyError",
    "NonFiniteError",
    "OutOfMemoryError",
    "BackendUnavailableError",
    "BusyError",
    "CancelledError",
    "InternalError",
    "PanicError",
    "PoisonedError",
    "LibraryError",
]


class Error(Exception):
    """An error of the library.

    ``message`` says what was found, what was expected and what to do; ``causes`` are the messages
    of the causes, nearest first; ``status`` is the number of codegeex.h.
    """

    status = 0

    def __init__(self, message: str, causes: tuple[str, ...] = (), status: int | None = None):
        super().__init__(": ".join((message, *causes)))
        self.message = message
        self.causes = causes
        if status is not None:
            self.status = status


class InvalidArgumentError(Error, ValueError):
    """An argument is invalid, or a handle was closed."""

    status = _abi.INVALID_ARGUMENT


class TokenOutOfRangeError(InvalidArgumentError):
    """A token id is out of range for the vocabulary."""

    status = _abi.TOKEN_OUT_OF_RANGE


class ContextOverflowError(Error):
    """A sequence would exceed the context length."""

    status = _abi.CONTEXT_OVERFLOW


class StateMismatchError(Error):
    """A state belongs to another model."""

    status = _abi.STATE_MISMATCH


class IoError(Error, OSError):
    """The operating system reported an I/O error."""

    status = _abi.IO


class NotFoundError(IoError, FileNotFoundError):
    """A file or folder does not exist."""

    status = _abi.NOT_FOUND


class MalformedFileError(Error):
    """A file violates its own format."""

    status = _abi.MALFORMED_FILE


class UnsupportedFileError(Error):
    """A well-formed file uses a feature that the library does not support."""

    status = _abi.UNSUPPORTED_FILE


class MissingTensorError(Error):
    """A checkpoint lacks a tensor that the model needs."""

    status = _abi.MISSING_TENSOR


class ShapeMismatchError(Error):
    """A tensor's shape differs from the model configuration."""

    status = _abi.SHAPE_MISMATCH


class MissingConfigError(Error):
    """The model configuration is missing."""

    status = _abi.MISSING_CONFIG


class InvalidConfigError(Error):
    """A model configuration is inconsistent or unsupported."""

    status = _abi.INVALID_CONFIG


class InvalidUtf8Error(Error, ValueError):
    """Text is not valid UTF-8."""

    status = _abi.INVALID_UTF8


class InvalidVocabularyError(Error):
    """A tokenizer vocabulary is inconsistent."""

    status = _abi.INVALID_VOCABULARY


class NonFiniteError(Error, ArithmeticError):
    """A computation produced NaN or infinity."""

    status = _abi.NON_FINITE


class OutOfMemoryError(Error, MemoryError):
    """An allocation failed or exceeded a configured limit."""

    status = _abi.OUT_OF_MEMORY


class BackendUnavailableError(Error):
    """A backend or instruction set is not available on this machine."""

    status = _abi.BACKEND_UNAVAILABLE


class BusyError(Error):
    """The queue is full, or the handle is in use by another call."""

    status = _abi.BUSY


class CancelledError(Error):
    """The call was cancelled."""

    status = _abi.CANCELLED


class InternalError(Error):
    """A broken invariant of the library. Please report it."""

    status = _abi.INTERNAL


class PanicError(InternalError):
    """A panic inside the library, caught at the boundary. Please report it."""

    status = _abi.PANIC


class PoisonedError(InternalError):
    """An earlier call with the same handle panicked; it can only be closed."""

    status = _abi.POISONED


class LibraryError(Error, ImportError):
    """The shared library was not found, or does not serve this package."""


def of_status(status: int) -> type[Error]:
    """The class of a status; ``Error`` itself for one that came later."""
    return _CLASSES.get(status, Error)


def _below(base: type[Error]) -> list[type[Error]]:
    return [one for sub in base.__subclasses__() for one in (sub, *_below(sub))]


_CLASSES = {one.status: one for one in _below(Error) if one.status}
