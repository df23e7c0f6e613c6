"""Generation, shared by models and sessions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Callable, Union

from . import _callback
from ._handle import Handle, handle, ids_argument, text_argument
from ._interrupt import interruptible
from .cancel import CancelToken
from .events import Completion, Completions, Event, copy_completions
from .options import GenerateOptions, Sampled
from .stream import Stream

#: A text, or token ids.
Prompt = Union[str, Iterable[int]]
OnEvent = Callable[[Event], object]


def prompt_argument(function: str, prompt: Prompt) -> tuple[str, Any, int]:
    """The function for a text or for ids, and the prompt as it takes it."""
    if isinstance(prompt, str):
        return (function, *text_argument(prompt))
    if isinstance(prompt, (bytes, bytearray, memoryview)):
        raise TypeError(f"a prompt is a str or token ids, not {type(prompt).__name__}; decode it")
    if not isinstance(prompt, Iterable):
        raise TypeError(f"a prompt is a str or token ids, not {type(prompt).__name__}")
    return (f"{function}_from", *ids_argument(prompt))


def run(
    function: str,
    owner: Handle,
    prompt: tuple[Any, int],
    options: GenerateOptions | None,
    on_event: OnEvent | None,
    cancel: CancelToken,
) -> list[Completion]:
    """Generates on this thread."""
    sampled = Sampled(options)
    with sampled.samplers, _callback.events(on_event) as (pointer, userdata):
        # Take ownership first: an exception of the callback leaves here.
        arguments = (*prompt, sampled.options, cancel, pointer, userdata)
        held = Completions._of(handle(function, owner, *arguments))
    return copy_completions(held)


def generate(
    kind: str,
    owner: Handle,
    prompt: Prompt,
    options: GenerateOptions | None,
    on_event: OnEvent | None,
    cancel: CancelToken | None,
) -> list[Completion]:
    """Generates and waits."""
    function, *given = prompt_argument(f"codegeex_{kind}_generate", prompt)
    token = cancel if cancel is not None else CancelToken()
    data, length = given
    return interruptible(
        lambda: run(function, owner, (data, length), options, on_event, token), token.cancel
    )


def stream(
    kind: str,
    owner: Handle,
    prompt: Prompt,
    options: GenerateOptions | None,
    cancel: CancelToken | None,
) -> Stream:
    """Generates on a separate thread."""
    function, *given = prompt_argument(f"codegeex_{kind}_generate", prompt)
    data, length = given
    # Report an invalid handle here rather than from the stream.
    owner._cell.acquire()
    owner._cell.release()
    return Stream(
        lambda on_event, token: run(function, owner, (data, length), options, on_event, token),
        cancel,
    )
