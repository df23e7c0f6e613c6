"""A generation as an iterator."""

from __future__ import annotations

import atexit
import queue
import threading
import weakref
from collections.abc import Iterator
from types import TracebackType
from typing import Callable

from .cancel import CancelToken
from .events import Completion, Event

__all__ = ["Stream"]

Run = Callable[[Callable[[Event], object], CancelToken], "list[Completion]"]


class _Over:
    """The last thing in a queue: how a generation ended."""

    def __init__(self, completions: list[Completion], error: BaseException | None) -> None:
        self.completions, self.error = completions, error


class _Flow:
    """State shared by the thread and the stream. The thread does not refer to the stream, so that
    an unreachable stream is collected."""

    def __init__(self, cancel: CancelToken | None) -> None:
        self.queue: queue.SimpleQueue[Event | _Over] = queue.SimpleQueue()
        self.token = cancel if cancel is not None else CancelToken()
        # The caller's token may serve other calls.
        self._owns_token = cancel is None
        self._stopped = False
        self.thread: threading.Thread | None = None

    def work(self, run: Run) -> None:
        try:
            over = _Over(run(self._hear, self.token), None)
        except BaseException as error:
            over = _Over([], error)
        # The job holds the model; it is not to outlive the last event.
        del run
        self.queue.put(over)

    def _hear(self, event: Event) -> bool:
        self.queue.put(event)
        return not self._stopped

    def stop(self) -> None:
        self._stopped = True
        if self._owns_token and not self.token.closed:
            self.token.cancel()


_flows: weakref.WeakSet[_Flow] = weakref.WeakSet()


@atexit.register
def _join() -> None:
    # The library must have returned before the interpreter goes.
    for flow in list(_flows):
        flow.stop()
        if flow.thread is not None:
            flow.thread.join()


class Stream(Iterator[Event]):
    """The events of a generation as they come; a context manager that cancels it on exit.

    The generation runs on a separate thread and does not wait for the reader. It is cancelled when
    the stream is closed or garbage-collected, and when the reader is interrupted inside a ``with``
    block, such as by Ctrl-C.
    """

    def __init__(self, run: Run, cancel: CancelToken | None = None) -> None:
        self._flow = flow = _Flow(cancel)
        self._over: _Over | None = None
        # A daemon, so that the process need not wait for its end: _join sees to that.
        flow.thread = threading.Thread(
            target=flow.work, args=(run,), name="codegeex-stream", daemon=True
        )
        _flows.add(flow)
        flow.thread.start()
        self._finalizer = weakref.finalize(self, flow.stop)

    def __next__(self) -> Event:
        if self._over is not None:
            raise StopIteration
        item = self._flow.queue.get()
        if not isinstance(item, _Over):
            return item
        self._over = item
        if item.error is not None:
            raise item.error
        raise StopIteration

    def texts(self) -> Iterator[str]:
        """The non-empty texts of the events. Closing the iterator cancels the generation."""
        try:
            for event in self:
                if event.text:
                    yield event.text
        finally:
            self.close()

    def wait(self) -> list[Completion]:
        """Reads to the end, and returns all samples."""
        for _ in self:
            pass
        return self.completions

    @property
    def completions(self) -> list[Completion]:
        """The samples, after the generation has ended; partial if it was closed before."""
        return [] if self._over is None else self._over.completions

    def close(self) -> None:
        """Cancels the generation and waits for its end; events that were not read are dropped."""
        self._finalizer()
        while self._over is None:
            item = self._flow.queue.get()
            if isinstance(item, _Over):
                self._over = item

    def __enter__(self) -> Stream:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
