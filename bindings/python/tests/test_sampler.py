"""Custom samplers: what they see, what they change, what they raise, and when they are freed."""

from __future__ import annotations

import gc
import math
import subprocess
import sys
import threading
import time
import weakref
from typing import Callable

import pytest

import codegeex
from codegeex import (
    EditSession,
    FinishReason,
    GenerateOptions,
    Model,
    SamplerInput,
    Service,
    Session,
    Ticket,
    _callback,
)
from codegeex._sampler import Samplers


def registered() -> int:
    """Number of callbacks that the library has not given back."""
    gc.collect()
    return len(_callback._registered)


class Only:
    """Leaves the tokens of one id."""

    def __init__(self, id: int) -> None:
        self.id = id
        self.prompt: list[int] = []
        self.generated: list[list[int]] = []

    def __call__(self, input: SamplerInput) -> None:
        self.prompt = input.prompt.tolist()
        self.generated.append(input.generated.tolist())
        index = input.find(self.id)
        assert index is not None and input.ids[index] == self.id
        for other in range(len(input.logits)):
            if other != index:
                input.logits[other] = -math.inf


def fail(input: SamplerInput) -> None:
    try:
        raise KeyError("inside")
    except KeyError:
        raise LookupError(f"after {len(input.generated)}")  # noqa: B904


def test_what_a_sampler_sees_and_changes(model: Model, prompt: str) -> None:
    only = Only(751)
    before = registered()
    options = GenerateOptions(max_new_tokens=4, temperature=0.8, samplers=[only])
    (done,) = model.generate(prompt, options)
    assert done.ids == [751] * 4 and only.prompt == model.tokenizer.encode(prompt)
    assert only.generated == [[751] * n for n in range(4)]
    # And with greedy decoding, in the order in which they were added.
    seen: list[int] = []
    options = GenerateOptions(max_new_tokens=2)
    options.add_sampler(Only(9))
    options.add_sampler(lambda input: seen.append(len(input.ids)))
    assert len(options.samplers) == 2
    assert model.generate(prompt, options.copy())[0].ids == [9, 9] and seen == [1, 1]
    options.samplers = ()
    assert model.generate(prompt, options)[0].ids != [9, 9] and seen == [1, 1]
    # Banned ids are no candidates.
    found: list[int | None] = []
    model.generate(
        prompt,
        max_new_tokens=1,
        banned_ids=[5],
        samplers=[lambda input: found.extend(map(input.find, (4, 5, 6, 2**31)))],
    )
    assert found == [4, None, 5, None]
    # The library gave all userdata back.
    assert registered() == before


def test_views(model: Model, prompt: str) -> None:
    kept: list[SamplerInput] = []
    model.generate(prompt, max_new_tokens=2, samplers=[kept.append])
    for input in kept:
        for ids in (input.prompt, input.generated, input.ids):
            assert ids.readonly and ids.format == "I"
        assert not input.logits.readonly and input.logits.format == "f"
        assert len(input.ids) == len(input.logits) == model.tokenizer.vocab_size
        assert input.ids.tolist() == sorted(input.ids)
    # They outlive the call.
    kept[0].logits[0] = 1.5
    assert kept[0].logits[0] == 1.5
    with pytest.raises(TypeError):
        kept[0].ids[0] = 1


def test_numpy(model: Model, prompt: str) -> None:
    numpy = pytest.importorskip("numpy")

    def reverse(input: SamplerInput) -> None:
        logits = numpy.asarray(input.logits)
        assert logits.dtype == numpy.float32 and numpy.asarray(input.ids).dtype == numpy.uint32
        logits *= -1

    row = codegeex.State(model).decode([1, 2])[0]
    worst = min(range(len(row)), key=row.__getitem__)
    assert model.generate([1, 2], max_new_tokens=1, samplers=[reverse])[0].ids == [worst]


def test_what_a_sampler_raises_arrives(model: Model, prompt: str) -> None:
    failing = GenerateOptions(max_new_tokens=5, samplers=[lambda input: None, fail])
    calls: tuple[Callable[[], object], ...] = (
        lambda: model.generate(prompt, failing),
        lambda: Session(model).generate(prompt, failing),
        lambda: model.stream(prompt, failing).wait(),
    )
    for call in calls:
        with pytest.raises(LookupError, match="after 0") as caught:
            call()
        assert isinstance(caught.value.__context__, KeyError)
    # What is not an Exception, too.
    def leave(input: SamplerInput) -> None:
        raise SystemExit(3)

    with pytest.raises(SystemExit):
        model.generate(prompt, samplers=[leave])
    # False ends the generation, as a callback that returns it does.
    with pytest.raises(codegeex.CancelledError):
        model.generate(prompt, samplers=[lambda input: False])
    # The event callback's own exception counts before that.
    def hear(event: codegeex.Event) -> None:
        raise ValueError("from the callback")

    with pytest.raises(ValueError, match="from the callback"):
        model.generate(prompt, max_new_tokens=2, samplers=[lambda input: None], on_event=hear)
    with pytest.raises(codegeex.NonFiniteError, match="token 0"):

        def broken(input: SamplerInput) -> None:
            input.logits[0] = math.nan

        model.generate(prompt, samplers=[broken])
    assert len(model.generate(prompt, max_new_tokens=3)[0].ids) == 3


def test_each_call_raises_its_own(model: Model, prompt: str) -> None:
    # One sampler, which fails for one of the calls that run together.
    ids = [model.tokenizer.encode(f"{prompt}\n    {name} =") for name in ("a", "b", "c", "d")]

    def fails_for_c(input: SamplerInput) -> None:
        if input.prompt.tolist() == ids[2] and len(input.generated) == 3:
            raise LookupError("c")

    options = GenerateOptions(max_new_tokens=12, samplers=[fails_for_c])
    expected = [model.generate(one, max_new_tokens=12) for one in ids]
    found: dict[int, object] = {}

    def call(index: int) -> None:
        try:
            found[index] = model.generate(ids[index], options)
        except LookupError as error:
            found[index] = str(error)

    threads = [threading.Thread(target=call, args=(index,)) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {0: expected[0], 1: expected[1], 2: "c", 3: expected[3]}


def test_services(model: Model, prompt: str) -> None:
    before = registered()
    with Service(model) as service:
        only = GenerateOptions(max_new_tokens=3, samplers=[Only(751)])
        good, bad = service.submit(prompt, only), service.submit(prompt, samplers=[fail])
        other = service.submit(prompt, max_new_tokens=3, samplers=[fail])
        only.close()
        assert good.wait()[0].ids == [751] * 3
        with pytest.raises(LookupError, match="after 0"):
            bad.wait()
        with pytest.raises(LookupError, match="after 0"):
            list(other)
        # A ticket that is dropped takes its sampler with it.
        sampler = Only(751)
        watched = weakref.ref(sampler)
        ticket = service.submit(prompt, max_new_tokens=1500, samplers=[sampler])
        next(ticket)
        del ticket, sampler
        # The service may be in it still.
        deadline = time.monotonic() + 60
        while watched() is not None and time.monotonic() < deadline:
            time.sleep(0.01)
            gc.collect()
        assert watched() is None
        assert service.submit(prompt, max_new_tokens=1).wait()[0].ids
    del good, bad, other
    assert registered() == before


def test_a_ticket_has_every_event_before_what_a_sampler_raised(model: Model, prompt: str) -> None:
    raised = threading.Event()

    def fail_late(input: SamplerInput) -> None:
        if len(input.generated) == 2:
            raised.set()
            raise LookupError("late")

    with Service(model) as service:
        ends: tuple[Callable[[Ticket], object], ...] = (list, Ticket.wait)
        for end in ends:
            raised.clear()
            ticket = service.submit(prompt, max_new_tokens=6, samplers=[fail_late])
            assert raised.wait(60)
            # One more step of the service, and the exception is kept.
            service.submit(prompt, max_new_tokens=1).wait()
            assert isinstance(ticket.poll(), codegeex.Token)
            assert isinstance(next(ticket), codegeex.Token)
            with pytest.raises(LookupError, match="late"):
                end(ticket)
            assert ticket.poll() is None
            with pytest.raises(codegeex.Error):
                ticket.wait()


def test_a_busy_call_leaves_the_exception_to_the_other() -> None:
    mine = LookupError("mine")
    samplers = Samplers(())
    samplers._error = mine
    with pytest.raises(codegeex.BusyError), samplers:
        raise codegeex.BusyError("busy", (), 503)
    with pytest.raises(LookupError) as caught, samplers:
        raise codegeex.CancelledError("cancelled", (), 600)
    assert caught.value is mine


def test_a_sampler_may_close_its_service(
    model: Model, prompt: str, capfd: pytest.CaptureFixture[str]
) -> None:
    service = Service(model)
    options = GenerateOptions(max_new_tokens=1500, samplers=[lambda input: service.close()])
    ticket = service.submit(prompt, options)
    try:
        (done,) = ticket.wait()
        assert done.finish_reason is FinishReason.CANCELLED
    except codegeex.CancelledError:
        pass
    assert service.closed and "panicked" not in capfd.readouterr().err


def test_edit_sessions(model: Model) -> None:
    text = "def read_lines(path):\n    "
    before = registered()
    newline = model.tokenizer.encode("\n")[0]
    seen: list[int] = []

    def no_newline(input: SamplerInput) -> None:
        seen.append(len(input.generated))
        index = input.find(newline)
        assert index is not None
        input.logits[index] = -math.inf

    generate = GenerateOptions(max_new_tokens=8, samplers=[no_newline])
    options = codegeex.EditOptions(generate=generate, clip_step=16)
    generate.close()
    session = EditSession(model, "python", options)
    session.update(text)
    session.suggest()
    assert seen
    failing = EditSession(model, "python", generate=GenerateOptions(samplers=[fail]))
    failing.update(text)
    for _ in range(2):
        with pytest.raises(LookupError, match="after 0"):
            failing.suggest()
    # Options without samplers replace those with.
    options.set_generate(GenerateOptions(max_new_tokens=2))
    seen.clear()
    plain = EditSession(model, "python", options)
    plain.update(text)
    plain.suggest()
    assert not seen
    # A sampler may refer to its session.
    cycle: list[object] = []
    looping = EditSession(model, "python", generate=GenerateOptions(samplers=[cycle.append]))
    cycle.append(looping)
    watched = weakref.ref(looping)
    del cycle, looping, session, failing, plain
    assert registered() == before and watched() is None


def test_speculation_gives_the_same(model: Model, prompt: str) -> None:
    def odd(input: SamplerInput) -> None:
        # Depends on its input alone.
        for index in range(len(input.generated) % 2, 2000, 2):
            input.logits[index] -= 2.0

    options = GenerateOptions(max_new_tokens=24, samplers=[odd])
    expected = model.generate(prompt, options)[0]
    options.speculate_by_lookup(3)
    assert model.generate(prompt, options)[0].ids == expected.ids
    assert expected.finish_reason is FinishReason.LENGTH


def test_the_end_of_the_interpreter(model_path: str) -> None:
    program = f"""
import codegeex
model = codegeex.Model({model_path!r})
def slow(input): sum(input.logits)
service = codegeex.Service(model)
ticket = service.submit('def', max_new_tokens=1500, samplers=[slow]); next(ticket)
stream = model.stream('def', max_new_tokens=1500, samplers=[slow]); next(stream)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
