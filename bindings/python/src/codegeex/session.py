"""Sessions: prefix reuse between prompts."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from . import _generate
from ._generate import OnEvent, Prompt
from ._handle import (
    Handle,
    bytes_argument,
    check,
    handle,
    id_list,
    octets,
    path_argument,
    size,
    value,
)
from .cancel import CancelToken
from .events import Completion
from .model import Model
from .options import (
    GenerateOptions,
    GenerateSettings,
    InfillSettings,
    options_or_settings,
    with_suffix,
)
from .stream import Stream

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["Session"]


class Session(Handle):
    """A sequence with its KV cache, kept between calls.

    It serves one call at a time; a concurrent call raises :class:`~codegeex.BusyError`. It keeps
    the model alive.
    """

    _kind = "session"
    __slots__ = ()

    def __init__(self, model: Model) -> None:
        self._own(handle("codegeex_session_new", model))

    @classmethod
    def restore(cls, model: Model, data: Any) -> Session:
        """Restores a session from bytes that a model with the same fingerprint saved."""
        return cls._of(handle("codegeex_session_restore", model, *bytes_argument(data)))

    @classmethod
    def restore_file(cls, model: Model, path: str | os.PathLike[str]) -> Session:
        """Restores a session from a file that a model with the same fingerprint saved."""
        given = path_argument(path)
        return cls._of(handle("codegeex_session_restore_file", model, *given))

    def generate(
        self,
        prompt: Prompt,
        options: GenerateOptions | None = None,
        *,
        on_event: OnEvent | None = None,
        cancel: CancelToken | None = None,
        **settings: Unpack[GenerateSettings],
    ) -> list[Completion]:
        """Completes a prompt as :meth:`Model.generate` does. Afterwards the session holds the
        prompt and the first sample."""
        options = options_or_settings(GenerateOptions, options, settings)
        return _generate.generate("session", self, prompt, options, on_event, cancel)

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
        """Completes the text between ``prefix`` and ``suffix`` as :meth:`Model.infill` does."""
        filled = with_suffix(options, suffix, settings)
        return _generate.generate("session", self, prefix, filled, on_event, cancel)

    def stream(
        self,
        prompt: Prompt,
        options: GenerateOptions | None = None,
        *,
        cancel: CancelToken | None = None,
        **settings: Unpack[GenerateSettings],
    ) -> Stream:
        """Completes a prompt as :meth:`Model.stream` does. The session is busy until it ended."""
        options = options_or_settings(GenerateOptions, options, settings)
        return _generate.stream("session", self, prompt, options, cancel)

    @property
    def ids(self) -> list[int]:
        """The tokens in the KV cache."""
        return id_list("codegeex_session_ids", self)

    @property
    def reused(self) -> int:
        """Number of tokens of the last prompt that were reused from the cache."""
        return int(value("codegeex_session_reused", self))

    @property
    def computed(self) -> int:
        """Number of tokens of the last prompt that were computed."""
        return int(value("codegeex_session_computed", self))

    @property
    def nbytes(self) -> int:
        """Size of the KV cache in bytes."""
        return int(value("codegeex_session_bytes", self))

    def truncate(self, tokens: int) -> None:
        """Truncates to the first ``tokens`` tokens."""
        check("codegeex_session_truncate", self, size(tokens, "tokens"))

    def save(self) -> bytes:
        """The session as bytes."""
        return octets("codegeex_session_save", self)

    def save_file(self, path: str | os.PathLike[str]) -> None:
        """Saves the session to a file. The write is atomic."""
        check("codegeex_session_save_file", self, *path_argument(path))
