"""Cancels running calls from any thread."""

from __future__ import annotations

from ._handle import Handle, check, handle, unsigned, value

__all__ = ["CancelToken"]


class CancelToken(Handle):
    """A flag that cancels running calls. Any thread can set it; it is never cleared.

    With ``timeout``, in seconds, it sets itself after that time. One token serves any number of
    calls. An interrupt of a call, such as Ctrl-C, sets its token.
    """

    _kind = "cancel_token"
    __slots__ = ()

    def __init__(self, timeout: float | None = None) -> None:
        milliseconds = 0 if timeout is None else max(1, round(timeout * 1000))
        self._own(handle("codegeex_cancel_token_new", unsigned(milliseconds, 64, "timeout")))

    def cancel(self) -> None:
        """Sets the token. Calls that use it return as soon as they see it."""
        check("codegeex_cancel_token_cancel", self)

    @property
    def is_cancelled(self) -> bool:
        """Whether the token is set."""
        return bool(value("codegeex_cancel_token_is_cancelled", self))
