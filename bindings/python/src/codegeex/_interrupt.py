"""Calls that a signal can interrupt.

Python handles signals in its main thread, and not while that is inside the library. So long calls
of the main thread are made on a second thread, while the main one waits where an exception such as
:class:`KeyboardInterrupt` can reach it; then the call is cancelled, awaited, and the exception goes
on. Other threads make their calls themselves: no signal would arrive there anyway.
"""

from __future__ import annotations

import contextvars
import os
import queue
import threading
from typing import Any, Callable, TypeVar

T = TypeVar("T")


class _Job:
    def __init__(self, run: Callable[[], Any]) -> None:
        self._context = contextvars.copy_context()
        self._run: Callable[[], Any] | None = run
        self._lock = threading.Lock()
        self._lock.acquire()
        self._done = False
        self.value: Any = None
        self.error: BaseException | None = None

    def run(self) -> None:
        # It may have been queued twice, where an interrupt came in between.
        run, self._run = self._run, None
        if run is None:
            return
        try:
            self.value = self._context.run(run)
        except BaseException as error:
            self.error = error
        finally:
            self._done = True
            self._lock.release()

    def wait(self) -> None:
        """May be interrupted and called again."""
        while not self._done:
            self._lock.acquire()
            self._lock.release()


class _Second:
    """The thread, which waits for jobs as long as the process lives."""

    def __init__(self) -> None:
        self.process = os.getpid()
        self.jobs: queue.SimpleQueue[_Job] = queue.SimpleQueue()
        # A daemon: it never holds up the end of the process, and is idle then.
        threading.Thread(target=_work, args=(self.jobs,), name="codegeex", daemon=True).start()


def _work(jobs: queue.SimpleQueue[_Job]) -> None:
    while True:
        job = jobs.get()
        job.run()
        # Not to be held until the next one.
        del job


_second: _Second | None = None


def interruptible(run: Callable[[], T], cancel: Callable[[], None]) -> T:
    """Calls ``run``; what interrupts it calls ``cancel``, which has to make it return."""
    global _second
    if threading.current_thread() is not threading.main_thread():
        return run()
    # A thread does not survive a fork.
    if _second is None or _second.process != os.getpid():
        try:
            _second = _Second()
        except RuntimeError:
            # The interpreter is about to end.
            return run()
    job = _Job(run)
    interrupted: BaseException | None = None
    queued = cancelling = False
    while True:
        try:
            if not queued:
                _second.jobs.put(job)
                queued = True
            if cancelling:
                _quietly(cancel)
                cancelling = False
            job.wait()
            break
        except BaseException as error:
            interrupted = interrupted or error
            cancelling = True
    try:
        if interrupted is not None:
            raise interrupted
        if job.error is not None:
            raise job.error
        value: T = job.value
        return value
    finally:
        # The traceback of an error refers to this frame, and so would the job to itself.
        del job, interrupted


def _quietly(cancel: Callable[[], None]) -> None:
    try:
        cancel()
    except Exception:
        # A closed object needs no cancelling.
        pass
