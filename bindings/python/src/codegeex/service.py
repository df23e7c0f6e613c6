"""A service: requests from any number of threads in one batch."""

from __future__ import annotations

import contextlib
import ctypes
import enum
from collections.abc import Iterator
from ctypes import byref
from typing import TYPE_CHECKING, Any, NamedTuple

from . import _abi
from ._generate import Prompt, prompt_argument
from ._handle import Handle, check, handle
from ._interrupt import interruptible
from ._sampler import Samplers
from .cancel import CancelToken
from .errors import InvalidArgumentError
from .events import Completion, Completions, Event, copy_completions, event_of
from .model import Model
from .options import (
    GenerateOptions,
    GenerateSettings,
    Sampled,
    ServiceOptions,
    ServiceSettings,
    options_or_settings,
)

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["Service", "ServiceProgress", "Ticket", "WhenFull"]


class WhenFull(enum.IntEnum):
    """What happens to a request when the queue is full."""

    WAIT = _abi.WHEN_FULL_WAIT
    REFUSE = _abi.WHEN_FULL_REFUSE


class ServiceProgress(NamedTuple):
    """Load of a service."""

    #: Requests waiting in the queue.
    waiting: int
    #: Running requests.
    running: int
    #: Samples and beams being generated.
    sequences: int
    #: Bytes of KV cache reserved, prompt cache included.
    cache_bytes: int
    #: Prompt tokens found in the prompt cache since the start.
    reused_tokens: int


class Ticket(Handle, Iterator[Event]):
    """A submitted request: an iterator over its events.

    Closing the ticket cancels the request; so does an interrupt of a wait for it, such as Ctrl-C.
    :meth:`cancel` is safe from any thread. The other methods serve one call at a time; a concurrent
    call raises :class:`~codegeex.BusyError`.
    """

    _kind = "ticket"
    __slots__ = ("_samplers",)
    _samplers: Samplers

    def __next__(self) -> Event:
        found = self._next(False)
        if found is None:
            found = interruptible(lambda: self._next(True), self.cancel)
        if found is _DONE:
            raise StopIteration
        event: Event = found
        return event

    def poll(self) -> Event | None:
        """The next event, without waiting; ``None`` if there is none yet, and at the end."""
        found = self._next(False)
        event: Event | None = None if found is _DONE else found
        return event

    def wait(self) -> list[Completion]:
        """Waits for the end, skips events, and returns all samples, or raises the error that ended
        the request. They can be fetched once."""
        with self._samplers:
            return interruptible(
                lambda: copy_completions(Completions._of(handle("codegeex_ticket_wait", self))),
                self.cancel,
            )

    def cancel(self) -> None:
        """Cancels the request. It still receives its last events."""
        check("codegeex_ticket_cancel", self)

    def close(self) -> None:
        """Cancels the request and frees the ticket."""
        # One that is waited for would be freed only after its end. It may be closed already.
        with contextlib.suppress(InvalidArgumentError):
            self.cancel()
        super().close()

    def _next(self, wait: bool) -> Any:
        event = _abi.Event(struct_size=ctypes.sizeof(_abi.Event))
        while True:
            check("codegeex_ticket_next", self, int(wait), byref(event))
            if event.kind == _abi.EVENT_DONE:
                # What a sampler raised comes after the last event.
                with self._samplers:
                    return _DONE
            if event.kind == _abi.EVENT_NONE:
                return None
            # Ignore kinds that are newer than this package.
            found = event_of(event)
            if found is not None:
                return found


_DONE = object()


class Service(Handle):
    """Runs requests from any number of threads in one batch (continuous batching): each step reads
    the weights once for all of them.

    Pass limits as :class:`ServiceOptions` or as keywords. Closing the service cancels running
    requests.
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
        """Submits a request. A full queue raises :class:`~codegeex.BusyError`. An error of the
        request itself is raised by :meth:`Ticket.wait`; an exception of a sampler is raised once, at
        the end of the events or by :meth:`Ticket.wait`."""
        options = options_or_settings(GenerateOptions, options, settings)
        function, *given = prompt_argument("codegeex_service_submit", prompt)
        sampled = Sampled(options)
        arguments = (*given, sampled.options, int(when_full), cancel)
        ticket = Ticket._of(handle(function, self, *arguments))
        ticket._samplers = sampled.samplers
        return ticket

    @property
    def progress(self) -> ServiceProgress:
        """The load of the service."""
        found = _abi.ServiceProgress(struct_size=ctypes.sizeof(_abi.ServiceProgress))
        check("codegeex_service_get_progress", self, byref(found))
        return ServiceProgress(*(getattr(found, name) for name in ServiceProgress._fields))
