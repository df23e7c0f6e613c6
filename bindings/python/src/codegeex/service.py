"""A service: requests of any number of threads, computed together."""

from __future__ import annotations

import ctypes
import enum
from collections.abc import Iterator
from ctypes import byref
from typing import TYPE_CHECKING, Any, NamedTuple

from . import _abi
from ._generate import Prompt, prompt_argument
from ._handle import Handle, check, handle
from ._interrupt import interruptible
from .cancel import CancelToken
from .events import Completion, Completions, Event, copy_completions, event_of
from .model import Model
from .options import (
    GenerateOptions,
    GenerateSettings,
    ServiceOptions,
    ServiceSettings,
    options_or_settings,
)

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["Service", "ServiceProgress", "Ticket", "WhenFull"]


class WhenFull(enum.IntEnum):
    """What becomes of a request when there is no room."""

    WAIT = _abi.WHEN_FULL_WAIT
    REFUSE = _abi.WHEN_FULL_REFUSE


class ServiceProgress(NamedTuple):
    """How full a service is."""

    #: Requests that wait for room.
    waiting: int
    #: Requests that were admitted.
    running: int
    #: Samples that are being generated.
    sequences: int
    #: Bytes of keys and values that are planned for, kept prefixes included.
    cache_bytes: int
    #: Tokens of prompts that were found in kept prefixes, since the beginning.
    reused_tokens: int


class Ticket(Handle, Iterator[Event]):
    """A request that is under way: an iterator over what happens to it.

    Closing it cancels the request, and so does what interrupts a wait for it, such as Ctrl-C.
    :meth:`cancel` may be called by any thread; of the rest one call at a time, a second one gets
    :class:`~codegeex.BusyError`.
    """

    _kind = "ticket"
    __slots__ = ()

    def __next__(self) -> Event:
        found = self._next(False)
        if found is None:
            found = interruptible(lambda: self._next(True), self.cancel)
        if found is _DONE:
            raise StopIteration
        event: Event = found
        return event

    def poll(self) -> Event | None:
        """What happened, without waiting; ``None`` for nothing yet, and at the end."""
        found = self._next(False)
        event: Event | None = None if found is _DONE else found
        return event

    def wait(self) -> list[Completion]:
        """Waits for the end, passing over events, and fetches all samples, or raises the error that
        ended the request. They can be fetched once."""
        return interruptible(
            lambda: copy_completions(Completions._of(handle("codegeex_ticket_wait", self))),
            self.cancel,
        )

    def cancel(self) -> None:
        """Ends the request. It still gets its last events."""
        check("codegeex_ticket_cancel", self)

    def close(self) -> None:
        """Cancels the request and frees the ticket."""
        if not self.closed:
            # One that is waited for would be freed only after its end.
            self.cancel()
        super().close()

    def _next(self, wait: bool) -> Any:
        event = _abi.Event(struct_size=ctypes.sizeof(_abi.Event))
        while True:
            check("codegeex_ticket_next", self, int(wait), byref(event))
            if event.kind == _abi.EVENT_DONE:
                return _DONE
            if event.kind == _abi.EVENT_NONE:
                return None
            # Kinds that came after this package are passed over.
            found = event_of(event)
            if found is not None:
                return found


_DONE = object()


class Service(Handle):
    """Computes requests of any number of threads together: a step reads the weights once for all.

    Bounds are given by :class:`ServiceOptions` or its attributes as keywords. Closing it cancels
    what is under way.
    """

    _kind = "service"
    __slots__ = ()

    def __init__(
        self,
        model: Model,
        options: ServiceOptions | None = None,
        **settings: Unpack[ServiceSettings],
    ) -> None:
        options = options_or_settings(ServiceOptions, options, settings)
        self._own(handle("codegeex_service_new", model, options))

    def submit(
        self,
        prompt: Prompt,
        options: GenerateOptions | None = None,
        *,
        when_full: WhenFull = WhenFull.WAIT,
        cancel: CancelToken | None = None,
        **settings: Unpack[GenerateSettings],
    ) -> Ticket:
        """Hands a request in. A service with too many waiting requests raises
        :class:`~codegeex.BusyError`; what is wrong with the request itself comes with its end."""
        options = options_or_settings(GenerateOptions, options, settings)
        function, *given = prompt_argument("codegeex_service_submit", prompt)
        return Ticket._of(handle(function, self, *given, options, int(when_full), cancel))

    @property
    def progress(self) -> ServiceProgress:
        """How full it is."""
        found = _abi.ServiceProgress(struct_size=ctypes.sizeof(_abi.ServiceProgress))
        check("codegeex_service_get_progress", self, byref(found))
        return ServiceProgress(*(getattr(found, name) for name in ServiceProgress._fields))
