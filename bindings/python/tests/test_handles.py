"""Sessions, states, logits, services; memory that is freed in any order, by any thread."""

from __future__ import annotations

import gc
import os
import pathlib
import signal
import subprocess
import sys
import threading
import weakref

import pytest

import codegeex
from codegeex import FinishReason, Model, Service, Session, State, Token, WantedLogits, WhenFull


def test_sessions(model: Model, prompt: str, tmp_path: pathlib.Path) -> None:
    session = Session(model)
    (first,) = session.generate(prompt, max_new_tokens=8)
    (second,) = session.generate(prompt + first.text, max_new_tokens=8)
    assert session.reused > 0 and session.computed > 0 and session.nbytes > 0
    session.save_file(tmp_path / "session")
    ids = model.tokenizer.encode(prompt + first.text)
    for restored in (
        Session.restore(model, session.save()),
        Session.restore(model, bytearray(session.save())),
        Session.restore_file(model, tmp_path / "session"),
    ):
        assert restored.ids == session.ids
        assert restored.generate(ids, max_new_tokens=8) == [second]
    session.truncate(3)
    assert len(session.ids) == 3
    with session.stream(prompt, max_new_tokens=8) as stream:
        assert stream.wait() == [first]
    with pytest.raises(codegeex.MalformedFileError):
        Session.restore(model, restored.save()[:100])
    with pytest.raises(codegeex.NotFoundError):
        Session.restore_file(model, tmp_path / "nothing")


def test_edit_sessions(model: Model) -> None:
    generate = codegeex.GenerateOptions(max_new_tokens=12)
    session = codegeex.EditSession(model, "python", generate=generate, clip_step=16)
    before = "def read_lines(path):\n    "
    update = session.update(before)
    assert update == codegeex.EditUpdate(0, 0, update.moved, False)
    heard: list[codegeex.Event] = []
    suggestions = session.suggest(on_event=heard.append)
    assert any(isinstance(event, Token) for event in heard)
    assert suggestions == session.suggestions != []
    word = session.accept(codegeex.AcceptPart.WORD)
    assert word and suggestions[0].startswith(word)
    if len(word) < len(suggestions[0]):
        assert session.update(before + word).is_alive
        assert session.suggestions[0] == suggestions[0][len(word) :]
    session.dismiss()
    assert session.suggestions == [] and session.accept() == ""
    with pytest.raises(codegeex.InvalidArgumentError):
        codegeex.EditSession(model, "klingon")


def test_a_session_in_use_is_busy(model: Model, prompt: str) -> None:
    session = Session(model)
    with pytest.raises(codegeex.BusyError):
        session.generate(prompt, max_new_tokens=2, on_event=lambda event: session.truncate(0))


def test_states(model: Model, prompt: str) -> None:
    ids = model.tokenizer.encode(prompt)
    state = State(model)
    state.prefill(ids[:-1])
    logits = state.decode(ids[-1])
    assert len(state) == len(ids) and state.nbytes > 0
    row = logits[0]
    assert len(logits) == 1 and len(row) == logits.vocab_size and row.readonly
    top = logits.top(5)
    assert top[0].id == max(range(len(row)), key=row.__getitem__)
    assert logits.log_probability(top[0].id) == top[0].logprob
    assert model.generate(prompt, max_new_tokens=1)[0].ids == [top[0].id]
    for wrong in (1, -2):
        for call in (logits.__getitem__, lambda row: logits.top(1, row)):
            with pytest.raises(IndexError):
                call(wrong)
    other = State(model)
    everything = other.decode(ids, WantedLogits.ALL)
    assert len(everything) == len(ids) == len(list(everything))
    assert everything[-1] == row
    assert len(State(model).decode(ids, WantedLogits.NONE)) == 0
    fork, restored = state.fork(), State.restore(model, state.save())
    together = State.decode_together([state, fork, restored], [top[0].id, top[1].id, top[0].id])
    assert together[0] == together[2] != together[1]
    with pytest.raises(codegeex.InvalidArgumentError, match="1 states, but 2 ids"):
        State.decode_together([state], [1, 2])
    with pytest.raises(codegeex.BusyError):
        State.decode_together([state, state], [1, 2])
    state.truncate(2)
    assert len(state) == 2
    with pytest.raises(codegeex.ContextOverflowError):
        state.prefill([5] * (model.info.max_positions + 1))
    with pytest.raises(codegeex.TokenOutOfRangeError):
        state.decode(2**32 - 1)


def test_views_keep_their_memory(model: Model) -> None:
    logits = State(model).decode([1, 2, 3], WantedLogits.ALL)
    view = logits[1]
    values = view.tolist()
    logits.close()
    assert logits.closed
    with pytest.raises(codegeex.InvalidArgumentError, match="closed"):
        logits[0]
    cell = logits._cell
    del logits
    gc.collect()
    assert view.tolist() == values and cell._pointer is not None
    del view
    gc.collect()
    assert cell._pointer is None


def test_numpy(model: Model) -> None:
    numpy = pytest.importorskip("numpy")
    logits = State(model).decode(numpy.array([1, 2, 3]))
    rows = numpy.asarray(logits[0])
    assert rows.dtype == numpy.float32 and rows.shape == (logits.vocab_size,)
    assert logits.top(1)[0].id == rows.argmax()
    assert model.tokenizer.decode(numpy.array([1, 2])) == model.tokenizer.decode([1, 2])


def test_service(model: Model, prompt: str) -> None:
    with Service(model, sequences=4, prefixes=2) as service:
        ticket = service.submit(prompt, max_new_tokens=10)
        events = list(ticket)
        (done,) = ticket.wait()
        assert [event.id for event in events if isinstance(event, Token)] == done.ids
        assert "".join(event.text for event in events) == done.text
        assert [done] == model.generate(prompt, max_new_tokens=10)
        assert ticket.poll() is None and list(ticket) == []
        with pytest.raises(codegeex.InvalidArgumentError, match="fetched"):
            ticket.wait()
        assert service.progress.waiting == 0

        ids = model.tokenizer.encode(prompt)
        ticket = service.submit(ids, max_new_tokens=1500, when_full=WhenFull.REFUSE)
        next(ticket)
        threading.Thread(target=ticket.cancel).start()
        assert ticket.wait()[0].finish_reason is FinishReason.CANCELLED
        with pytest.raises(codegeex.InvalidArgumentError):
            service.submit(prompt, temperature=-1.0).wait()
        last = service.submit(prompt, max_new_tokens=1500)
    with pytest.raises((codegeex.CancelledError, codegeex.InvalidArgumentError)):
        if last.wait()[0].finish_reason is FinishReason.CANCELLED:
            raise codegeex.CancelledError("as far as it came")
    with pytest.raises(codegeex.InvalidArgumentError, match="closed"):
        service.submit(prompt)


def test_a_full_service(model: Model, prompt: str) -> None:
    with Service(model, sequences=1, waiting=1) as service:
        tickets = []
        with pytest.raises(codegeex.BusyError):
            for _ in range(50):
                tickets.append(
                    service.submit(prompt, max_new_tokens=1500, when_full=WhenFull.REFUSE)
                )
        assert tickets
        for ticket in tickets:
            ticket.close()


def test_ctrl_c_ends_a_wait(model: Model, prompt: str) -> None:
    def interrupt() -> None:
        os.kill(os.getpid(), signal.SIGINT)

    with Service(model) as service:
        timer = threading.Timer(0.05, interrupt)
        with pytest.raises(KeyboardInterrupt):
            timer.start()
            while True:
                service.submit(prompt, max_new_tokens=500).wait()
        timer.join()
        timer = threading.Timer(0.05, interrupt)
        with pytest.raises(KeyboardInterrupt):
            timer.start()
            while True:
                for _ in service.submit(prompt, max_new_tokens=500):
                    pass
        timer.join()


def test_any_order(model_path: str, prompt: str) -> None:
    model = Model(model_path)
    expected = model.generate(prompt, max_new_tokens=5)
    session, state, service = Session(model), State(model), Service(model)
    ticket, tokenizer = service.submit(prompt, max_new_tokens=5), model.tokenizer
    decoder = tokenizer.decoder()
    model.close()
    tokenizer.close()
    assert session.generate(prompt, max_new_tokens=5) == expected
    assert ticket.wait() == expected
    service.close()
    assert "".join(map(decoder.push, expected[0].ids)) + decoder.finish() == expected[0].text
    fork = state.fork()
    state.close()
    assert len(fork.decode(3)) == 1


def test_closing_what_runs(model_path: str, prompt: str) -> None:
    model = Model(model_path)
    (done,) = model.generate(prompt, max_new_tokens=5, on_event=lambda event: model.close())
    assert len(done.ids) == 5 and model.closed
    # And from another thread.
    for _ in range(5):
        model = Model(model_path)
        stream = model.stream(prompt, max_new_tokens=20)
        threading.Thread(target=model.close).start()
        assert len(stream.wait()[0].ids) == 20


def test_unreachable_objects_are_freed(model_path: str, prompt: str) -> None:
    model = Model(model_path)
    cell, watched = model._cell, weakref.ref(model)
    model.generate(prompt, max_new_tokens=2, on_event=lambda event: None)
    session = Session(model)
    with pytest.raises(codegeex.Error):
        model.generate(prompt, temperature=-1.0)
    with pytest.raises(codegeex.Error):
        model.score([2**31])
    del model
    gc.collect()
    assert watched() is None and cell._pointer is None
    assert session.generate(prompt, max_new_tokens=2)


def test_threads(model: Model, prompt: str) -> None:
    expected = model.generate(prompt, max_new_tokens=12)
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(model.generate(prompt, max_new_tokens=12)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 4


@pytest.mark.parametrize(
    "code",
    [
        # The interpreter ends in the middle of a stream, of a service, and with views at hand.
        "stream = model.stream('def', max_new_tokens=1900); next(stream)",
        "service = codegeex.Service(model); ticket = service.submit('def'); next(ticket)",
        "logits = codegeex.State(model).decode(3); view = logits[0]",
        "session = codegeex.Session(model); cycle = [session]; cycle.append(cycle)",
    ],
)
def test_the_end_of_the_interpreter(code: str, model_path: str) -> None:
    program = f"""
import codegeex, logging
logging.basicConfig(level=10)
model = codegeex.Model({model_path!r}, log=logging.getLogger())
{code}
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr and "ignored" not in done.stderr, done.stderr


def test_fork(model: Model, model_path: str, prompt: str) -> None:
    # The thread of interruptible calls does not survive, and is made again.
    program = f"""
import os, codegeex
tokenizer = codegeex.Tokenizer()
try: codegeex.Model('/nowhere')
except codegeex.NotFoundError: pass
child = os.fork()
model = codegeex.Model({model_path!r}, threads=1)
assert len(model.generate('def', max_new_tokens=2)[0].ids) == 2
if child:
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
