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
from .options import EditOptions, EditSettings, options_or_settings

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["AcceptPart", "EditSession", "EditUpdate"]


class AcceptPart(enum.IntEnum):
    """How much of a suggestion is accepted."""

    #: White space, then a word or a run of other characters.
    WORD = _abi.ACCEPT_WORD
    #: The first line that is not blank, with its line break and the blank ones before it.
    LINE = _abi.ACCEPT_LINE
    ALL = _abi.ACCEPT_ALL


class EditUpdate(NamedTuple):
    """What a new text changed."""

    #: Bytes from the beginning of the text that the model does not see, because it is too long.
    clipped_bytes: int
    #: Line breaks in them.
    clipped_lines: int
    #: Whether what the model sees begins elsewhere than before, so that it will be read anew.
    moved: bool
    #: Whether a suggestion agrees with what was typed: nothing need be computed.
    is_alive: bool


class EditSession(Handle):
    """Suggests code at a cursor while the text around it changes.

    For one call at a time; a second one gets :class:`~codegeex.BusyError`. It keeps the model. How
    it suggests is said by :class:`EditOptions` or its attributes as keywords.
    """

    _kind = "edit_session"
    __slots__ = ()

    def __init__(
        self,
        model: Model,
        language: str,
        options: EditOptions | None = None,
        **settings: Unpack[EditSettings],
    ) -> None:
        options = options_or_settings(EditOptions, options, settings)
        given = text_argument(language)
        self._own(handle("codegeex_edit_session_new", model, *given, options))

    def update(self, before: str, after: str = "") -> EditUpdate:
        """Takes the text in, as it is now before and after the cursor. Computes nothing."""
        found = _abi.EditUpdate(struct_size=ctypes.sizeof(_abi.EditUpdate))
        given = (*text_argument(before), *text_argument(after))
        check("codegeex_edit_session_update", self, *given, byref(found))
        return EditUpdate(
            found.clipped_bytes, found.clipped_lines, bool(found.moved), bool(found.is_alive)
        )

    def suggest(
        self, *, on_event: OnEvent | None = None, cancel: CancelToken | None = None
    ) -> list[str]:
        """Suggests what might follow the cursor, best first: what there is already and agrees with
        the text, or else what the model says. ``on_event`` hears of that as it comes, before
        post-processing. Cancelled, it suggests what there is by then."""
        token = cancel if cancel is not None else CancelToken()

        def run() -> list[str]:
            count = c_size_t()
            with _callback.events(on_event) as (pointer, userdata):
                arguments = (token, pointer, userdata, byref(count))
                check("codegeex_edit_session_suggest", self, *arguments)
            return self.suggestions

        return interruptible(run, token.cancel)

    @property
    def suggestions(self) -> list[str]:
        """What of the suggestions that agree with the text is not typed or accepted yet."""
        count = value("codegeex_edit_session_suggestions", self)
        return [
            text("codegeex_edit_session_suggestion", self, size(index, "index"))
            for index in range(count)
        ]

    def accept(self, part: AcceptPart = AcceptPart.ALL) -> str:
        """Accepts the best suggestion or a part of it, as if it were typed, and returns what was
        inserted: nothing where there is no suggestion."""
        return text("codegeex_edit_session_accept", self, int(part))

    def dismiss(self) -> None:
        """Drops the suggestions, so that the next ones are computed."""
        check("codegeex_edit_session_dismiss", self)
