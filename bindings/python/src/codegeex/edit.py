"""Edit sessions: suggestions at a cursor, while the text around it changes."""

from __future__ import annotations

import ctypes
import enum
from ctypes import byref, c_size_t
from typing import TYPE_CHECKING, NamedTuple

from . import _abi, _callback
from ._generate import OnEvent
from ._handle import Handle, check, handle, size, text, text_argument, value
from ._interrupt import interruptible
from .cancel import CancelToken
from .model import Model
from .options import EditOptions, EditSettings, options_or_settings, sampled_edits

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["AcceptPart", "EditSession", "EditUpdate"]


class AcceptPart(enum.IntEnum):
    """Which part of a suggestion is accepted."""

    #: The next word or run of other characters, with the whitespace before it.
    WORD = _abi.ACCEPT_WORD
    #: The first non-blank line, with its line break and the blank lines before it.
    LINE = _abi.ACCEPT_LINE
    ALL = _abi.ACCEPT_ALL


class EditUpdate(NamedTuple):
    """Effect of an update of the text."""

    #: Bytes cut from the beginning of the text because it is too long for the model.
    clipped_bytes: int
    #: Line breaks in those bytes.
    clipped_lines: int
    #: Whether the visible text now starts at another place, so that the KV cache is computed again.
    moved: bool
    #: Whether a suggestion still matches the text, so that nothing needs to be computed.
    is_alive: bool


class EditSession(Handle):
    """Inline code suggestions at a cursor while the text around it changes.

    It serves one call at a time; a concurrent call raises :class:`~codegeex.BusyError`. It keeps
    the model alive. Pass options as :class:`EditOptions` or as keywords.
    """

    _kind = "edit_session"
    __slots__ = ("_samplers",)

    def __init__(
        self,
        model: Model,
        language: str,
        options: EditOptions | None = None,
        **settings: Unpack[EditSettings],
    ) -> None:
        options = options_or_settings(EditOptions, options, settings)
        options, self._samplers = sampled_edits(options)
        given = text_argument(language)
        self._own(handle("codegeex_edit_session_new", model, *given, options))

    def update(self, before: str, after: str = "") -> EditUpdate:
        """Sets the current text before and after the cursor. Does not run the model."""
        found = _abi.EditUpdate(struct_size=ctypes.sizeof(_abi.EditUpdate))
        given = (*text_argument(before), *text_argument(after))
        check("codegeex_edit_session_update", self, *given, byref(found))
        return EditUpdate(
            found.clipped_bytes, found.clipped_lines, bool(found.moved), bool(found.is_alive)
        )

    def suggest(
        self, *, on_event: OnEvent | None = None, cancel: CancelToken | None = None
    ) -> list[str]:
        """Suggests text at the cursor, best first: earlier suggestions that still match the text,
        or else new ones from the model. ``on_event`` receives the events as they come, before
        post-processing. If cancelled, it returns the partial result."""
        token = cancel if cancel is not None else CancelToken()

        def run() -> list[str]:
            count = c_size_t()
            with self._samplers, _callback.events(on_event) as (pointer, userdata):
                arguments = (token, pointer, userdata, byref(count))
                check("codegeex_edit_session_suggest", self, *arguments)
            return self.suggestions

        return interruptible(run, token.cancel)

    @property
    def suggestions(self) -> list[str]:
        """The suggestions that match the current text, without the part that is already typed or
        accepted."""
        count = value("codegeex_edit_session_suggestions", self)
        return [
            text("codegeex_edit_session_suggestion", self, size(index, "index"))
            for index in range(count)
        ]

    def accept(self, part: AcceptPart = AcceptPart.ALL) -> str:
        """Accepts the best suggestion or a part of it, as if it were typed, and returns what was
        inserted: nothing if there is no suggestion."""
        return text("codegeex_edit_session_accept", self, int(part))

    def dismiss(self) -> None:
        """Drops the suggestions. The next call computes new ones."""
        check("codegeex_edit_session_dismiss", self)
