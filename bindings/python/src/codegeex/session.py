"""Sessions: prompts that begin alike are computed from where they differ."""

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
    size,
    text_argument,
    value,
)
from .cancel import CancelToken
from .events import Completion
from .model import Model
from .options import GenerateOptions, GenerateSettings, options_or_settings
from .stream import Stream

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["Session"]


class Session(Handle):
    """The tokens that a model was fed last, with their keys and values.

    For one call at a time; a second one gets :class:`~codegeex.BusyError`. It keeps the model.
    """

    _kind = "session"
    __slots__ = ()

    def __init__(self, model: Model) -> None:
        self._own(handle("codegeex_session_new", model))

    @classmethod
    def restore(cls, model: Model, data: Any) -> Session:
        """Reads a session from bytes that a model with the same fingerprint saved."""
        return cls._of(handle("codegeex_session_restore", model, *bytes_argument(data)))

    @classmethod
    def restore_file(cls, model: Model, path: str | os.PathLike[str]) -> Session:
        """Reads a session from a file that a model with the same fingerprint saved."""
        given = text_argument(os.fspath(path))
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
        """Completes a prompt as :meth:`Model.generate` does. Afterwards the session keeps the
        prompt and what the first sample was fed."""
        options = options_or_settings(GenerateOptions, options, settings)
        return _generate.generate("session", self, prompt, options, on_event, cancel)

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
        """The tokens whose keys and values are kept."""
        return id_list("codegeex_session_ids", self)

    @property
    def reused(self) -> int:
        """How many tokens of the last prompt did not have to be computed."""
        return int(value("codegeex_session_reused", self))

    @property
    def computed(self) -> int:
        """How many tokens of the last prompt were computed."""
        return int(value("codegeex_session_computed", self))

    @property
    def nbytes(self) -> int:
        """Bytes of keys and values that are kept."""
        return int(value("codegeex_session_bytes", self))

    def truncate(self, tokens: int) -> None:
        """Forgets all but the first ``tokens``."""
        check("codegeex_session_truncate", self, size(tokens, "tokens"))

    def save(self) -> bytes:
        """What the session keeps, as bytes."""
        return octets("codegeex_session_save", self)

    def save_file(self, path: str | os.PathLike[str]) -> None:
        """Saves what the session keeps to a file, which is complete or as before."""
        check("codegeex_session_save_file", self, *text_argument(os.fspath(path)))
