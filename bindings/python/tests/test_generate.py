"""Models: generation, streams, callbacks, cancelling, beams, scores, conversion, logging."""

from __future__ import annotations

import contextvars
import gc
import logging
import math
import os
import pathlib
import re
import signal
import threading
import time

import pytest
from conftest import ROOT

import codegeex
from codegeex import CancelToken, End, FinishReason, GenerateOptions, Model, Token


def test_info(model: Model, model_path: str) -> None:
    info = model.info
    assert info.num_layers > 0 and info.parameters > 0 and info.max_positions > 0
    assert model.config_json.startswith("{") and model.describe()
    assert model.kernels == codegeex.cpu_tier()
    assert model.tokenizer.vocab_size <= info.vocab_size
    assert Model(model_path).fingerprint == model.fingerprint
    memory = codegeex.estimate_memory(model_path, 2, 100)
    assert memory.total >= memory.cache >= 200 * memory.cache_per_token > 0


def test_generate(model: Model, prompt: str) -> None:
    heard: list[codegeex.Event] = []
    (done,) = model.generate(prompt, max_new_tokens=20, top_logprobs=2, on_event=heard.append)
    tokens = [event for event in heard if isinstance(event, Token)]
    assert [event.id for event in tokens] == done.ids and len(done.ids) == 20
    assert [event.logprob for event in tokens] == done.logprobs
    assert [event.top_logprobs for event in tokens] == done.top_logprobs
    assert all(top[0].id == id for top, id in zip(done.top_logprobs, done.ids))
    assert "".join(event.text for event in heard) == done.text
    end = heard[-1]
    assert isinstance(end, End) and end.finish_reason is done.finish_reason is FinishReason.LENGTH
    assert str(done.finish_reason) == "length" and done.stop_index is None
    assert math.isclose(done.score, math.fsum(done.logprobs), rel_tol=1e-4)
    ids = model.tokenizer.encode(prompt)
    assert model.generate(ids, GenerateOptions(max_new_tokens=20))[0].ids == done.ids
    with pytest.raises(codegeex.InvalidArgumentError, match="not both"):
        model.generate(prompt, GenerateOptions(), seed=1)
    with pytest.raises(codegeex.InvalidArgumentError):
        model.generate(prompt, temperature=-1.0)


def test_samples_and_stops(model: Model, prompt: str) -> None:
    done = model.generate(prompt, max_new_tokens=12, temperature=1.0, seed=5, samples=3)
    assert len({one.text for one in done}) > 1
    options = GenerateOptions(max_new_tokens=12, temperature=1.0, seed=5, first_sample=1)
    assert model.generate(prompt, options)[0] == done[1]
    text = model.generate(prompt, max_new_tokens=30)[0].text
    stop = text[6:8]
    (stopped,) = model.generate(prompt, max_new_tokens=30, stop=["never to be found", stop])
    assert stopped.finish_reason is FinishReason.STOP and stopped.stop_index == 1
    assert stopped.text == text[: text.index(stop)]


def test_code_ends_and_prompts_are_healed(model: Model, prompt: str) -> None:
    options = GenerateOptions(max_new_tokens=100, stop_at="python:line")
    (done,) = model.generate(prompt + "\n    x", options)
    assert done.finish_reason is FinishReason.END_OF_LINE and done.healed == 0
    # The text before the cursor says which block is open.
    blocks = GenerateOptions(max_new_tokens=40, stop_at="python:block")
    assert model.generate(prompt + "\n    x", blocks)[0].finish_reason is FinishReason.LENGTH
    blocks.stop_before = "def f():\n        x"
    assert model.generate(prompt + "\n    x", blocks)[0].finish_reason is FinishReason.END_OF_BLOCK
    (done,) = model.generate("# language: Python\nimpor", max_new_tokens=4, heal=True)
    assert done.healed > 0


def test_callbacks_cancel_after_exactly_n_tokens(model: Model, prompt: str) -> None:
    seen = 0

    def count(event: codegeex.Event) -> bool:
        nonlocal seen
        seen += isinstance(event, Token)
        return seen < 5

    (done,) = model.generate(prompt, max_new_tokens=500, on_event=count)
    assert len(done.ids) == 5 and done.finish_reason is FinishReason.CANCELLED


def test_what_a_callback_raises_arrives(model: Model, prompt: str, model_path: str) -> None:
    calls = 0

    def third(event: codegeex.Event) -> None:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise LookupError("from the callback")

    with pytest.raises(LookupError, match="from the callback"):
        model.generate(prompt, max_new_tokens=500, on_event=third)
    assert calls == 3

    def stop(done: int, total: int) -> bool:
        raise LookupError("from the progress")

    with pytest.raises(LookupError, match="from the progress"):
        Model(model_path, memory=codegeex.MemoryMode.COPY, progress=stop)
    with pytest.raises(codegeex.CancelledError):
        Model(model_path, memory=codegeex.MemoryMode.COPY, progress=lambda done, total: False)
    heard: list[tuple[int, int]] = []
    Model(
        model_path,
        memory=codegeex.MemoryMode.COPY,
        progress=lambda done, total: heard.append((done, total)),
    )
    assert heard[-1][0] == heard[-1][1] > 0


def test_callbacks_see_the_context(model: Model, prompt: str) -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")
    variable.set("set by the caller")
    seen: list[str] = []
    model.generate(prompt, max_new_tokens=1, on_event=lambda event: seen.append(variable.get()))
    assert set(seen) == {"set by the caller"}


def test_tokens_cancel_from_another_thread(model: Model, prompt: str) -> None:
    token = CancelToken()

    def first(event: codegeex.Event) -> None:
        if not token.is_cancelled:
            other = threading.Thread(target=token.cancel)
            other.start()
            other.join()

    (done,) = model.generate(prompt, max_new_tokens=500, on_event=first, cancel=token)
    assert done.finish_reason is FinishReason.CANCELLED and len(done.ids) < 10
    with pytest.raises(codegeex.CancelledError):
        model.score([1, 2, 3], cancel=token)
    with CancelToken(timeout=0.001) as timed:
        while not timed.is_cancelled:
            time.sleep(0.001)


def interrupt(*ignored: object) -> None:
    os.kill(os.getpid(), signal.SIGINT)


def test_ctrl_c_cancels(model: Model, prompt: str) -> None:
    token = CancelToken()
    with pytest.raises(KeyboardInterrupt):
        model.generate(prompt, max_new_tokens=500, on_event=interrupt, cancel=token)
    assert token.is_cancelled
    # Without callbacks, and wherever it is by then.
    for call in (
        lambda: model.generate(prompt, max_new_tokens=500),
        lambda: model.beam_search(prompt, max_new_tokens=100),
        lambda: model.perplexity([5] * 1000),
    ):
        timer = threading.Timer(0.05, interrupt)
        with pytest.raises(KeyboardInterrupt):
            timer.start()
            while True:
                call()
        timer.join()
    assert len(model.generate(prompt, max_new_tokens=3)[0].ids) == 3


def test_stream(model: Model, prompt: str) -> None:
    with model.stream(prompt, max_new_tokens=20) as stream:
        events = list(stream)
    (done,) = stream.completions
    assert [event.id for event in events if isinstance(event, Token)] == done.ids
    assert "".join(model.stream(prompt, max_new_tokens=20).texts()) == done.text
    assert list(stream) == []
    assert model.stream(prompt, max_new_tokens=20).wait() == [done]
    broken = model.stream(prompt, temperature=-1.0)
    with pytest.raises(codegeex.InvalidArgumentError):
        next(broken)
    assert list(broken) == []


def test_closing_a_stream_cancels(model: Model, prompt: str) -> None:
    stream = model.stream(prompt, max_new_tokens=1500)
    next(stream)
    stream.close()
    (done,) = stream.completions
    assert done.finish_reason is FinishReason.CANCELLED
    stream.close()
    # A generator is closed like any other.
    stream = model.stream(prompt, max_new_tokens=1500)
    texts = stream.texts()
    next(texts)
    texts.close()  # type: ignore[attr-defined]
    assert stream.completions[0].finish_reason is FinishReason.CANCELLED
    # An unreachable one ends as well.
    stream = model.stream(prompt, max_new_tokens=1500)
    next(stream)
    thread = stream._flow.thread
    assert thread is not None
    del stream
    gc.collect()
    thread.join(timeout=60)
    assert not thread.is_alive()
    # A caller's token is left alone.
    token = CancelToken()
    with model.stream(prompt, max_new_tokens=1500, cancel=token) as stream:
        next(stream)
    assert not token.is_cancelled
    assert stream.completions[0].finish_reason is FinishReason.CANCELLED


def test_ctrl_c_ends_a_stream(model: Model, prompt: str) -> None:
    with pytest.raises(KeyboardInterrupt):
        with model.stream(prompt, max_new_tokens=1500) as stream:
            for _ in stream:
                interrupt()
                time.sleep(1)
    assert stream.completions[0].finish_reason is FinishReason.CANCELLED


def test_beams_scores_perplexity(model: Model, prompt: str) -> None:
    beams = model.beam_search(prompt, num_beams=3, max_new_tokens=6)
    assert 0 < len(beams) <= 3
    assert [beam.score for beam in beams] == sorted((b.score for b in beams), reverse=True)
    ids = model.tokenizer.encode(prompt)
    assert model.beam_search(ids, num_beams=3, max_new_tokens=6) == beams
    lines = model.beam_search(prompt + "\n    x", max_new_tokens=60, stop_at="python:line", threads=1)
    assert FinishReason.END_OF_LINE in {beam.finish_reason for beam in lines}
    assert all("\n" not in beam.text for beam in lines)
    (limited,) = model.beam_search(ids, prefill_limit=1)
    assert limited.finish_reason is FinishReason.PREFILL_LIMIT
    score = model.score(ids, 3)
    assert len(score.logprobs) == len(ids) and len(score.top) == 3
    assert score.logprobs[0] is None and all(x < 0 for x in score.logprobs[1:] if x is not None)
    # A text stands for its ids.
    assert model.score(prompt, 3) == score
    assert model.perplexity(prompt) == model.perplexity(ids)
    heard: list[int] = []
    found = model.perplexity(ids, progress=lambda done, total: heard.append(total))
    assert found.tokens == len(ids) - 1 and heard
    assert math.isclose(
        found.log_probability,
        math.fsum(x for x in score.logprobs if x is not None),
        rel_tol=1e-4,
    )
    assert math.isclose(found.value, math.exp(-found.log_probability / found.tokens))


def test_speculation(model: Model, prompt: str, model_path: str) -> None:
    text = model.generate(prompt, max_new_tokens=30)[0].text
    options = GenerateOptions(max_new_tokens=30)
    with Model(model_path) as draft:
        options.speculate_by_model(draft, 3)
    (done,) = model.generate(prompt, options)
    assert done.text == text and done.drafted >= done.accepted > 0
    options.speculate_by_lookup(2)
    assert options.speculation == "lookup:2"
    assert model.generate(prompt, options)[0].text == text


def test_convert(model_path: str, tmp_path: pathlib.Path) -> None:
    out = tmp_path / "int8.safetensors"
    heard: list[int] = []
    codegeex.convert(
        model_path, out, quantize="int8", progress=lambda done, total: heard.append(done)
    )
    assert heard and Model(out).generate("x", max_new_tokens=1)
    with pytest.raises(codegeex.InvalidArgumentError):
        codegeex.convert(model_path, out)
    before = out.read_bytes()
    with pytest.raises(codegeex.CancelledError):
        codegeex.convert(model_path, out, overwrite=True, progress=lambda done, total: False)
    assert out.read_bytes() == before


def test_logging(model_path: str, caplog: pytest.LogCaptureFixture) -> None:
    from codegeex import _callback

    logger = logging.getLogger("codegeex.test")
    before = len(_callback._registered)
    with caplog.at_level(logging.DEBUG, "codegeex.test"):
        model = Model(model_path, log=logger)
        assert caplog.records
        opened = len(caplog.records)
        model.generate("x", max_new_tokens=1)
        assert len(caplog.records) > opened
        with pytest.raises(codegeex.InvalidArgumentError):
            model.generate("x", temperature=-1.0)
        assert caplog.records[-1].levelno == logging.ERROR
        assert caplog.records[-1].name == "codegeex.test"
    assert len(_callback._registered) == before + 1
    model.close()
    # The library gave it back.
    assert len(_callback._registered) == before
    caplog.clear()
    with caplog.at_level(logging.WARNING, "codegeex.test"):
        options = codegeex.OpenOptions(log=logger)
        Model(model_path, options)
    assert not caplog.records
    options.set_log(None)
    assert len(_callback._registered) == before


def test_open_options(model_path: str, model: Model) -> None:
    with codegeex.Tokenizer() as tokenizer:
        options = codegeex.OpenOptions(isa="scalar", threads=1, tokenizer=tokenizer)
    scalar = Model(model_path, options)
    assert scalar.kernels == "scalar"
    assert scalar.generate("def", max_new_tokens=3) == model.generate("def", max_new_tokens=3)
    with pytest.raises(MemoryError) as caught:
        Model(model_path, memory_limit=0).generate("x")
    assert isinstance(caught.value, codegeex.OutOfMemoryError)


def test_bytes_are_no_token_ids(model: Model) -> None:
    for wrong in (b"def f(", bytearray(b"def f("), memoryview(b"def f(")):
        for call in (model.generate, model.stream, model.beam_search, model.score):
            with pytest.raises(TypeError, match=type(wrong).__name__):
                call(wrong)
        with pytest.raises(TypeError, match=type(wrong).__name__):
            model.tokenizer.decode(wrong)
    with pytest.raises(TypeError, match="str"):
        model.tokenizer.decode("12")  # type: ignore[arg-type]


def test_what_is_no_prompt_is_said(model: Model) -> None:
    for wrong in (None, 7, 1.5):
        name = type(wrong).__name__
        for call in (model.generate, model.stream, model.beam_search):
            with pytest.raises(TypeError, match=f"a prompt is a str or token ids, not {name}"):
                call(wrong)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match=f"expected token ids, a list of int, and not {name}"):
            model.score(wrong)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="expected a str, not bytes"):
        model.tokenizer.encode(b"12")  # type: ignore[arg-type]


def test_a_path_is_no_bytes(model: Model, model_path: str) -> None:
    given = os.fsencode(model_path)
    path = r"a path is a str or an os.PathLike of str, not bytes; os.fsdecode\(\) decodes it"
    for call in (Model, codegeex.Tokenizer, codegeex.Session(model).save_file):
        with pytest.raises(TypeError, match=path):
            call(given)  # type: ignore[arg-type]
    for wrong in (None, 7):
        with pytest.raises(TypeError, match=f"not {type(wrong).__name__}"):
            Model(wrong)  # type: ignore[arg-type]


def test_the_program_of_the_readme(model_path: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = (ROOT / "bindings/python/README.md").read_text(encoding="utf-8")
    (program,) = re.findall(r"^```python\n(.*?)^```", text, flags=re.M | re.S)
    assert "models/codegeex_tiny.safetensors" in program
    exec(program.replace("models/codegeex_tiny.safetensors", model_path), {})
    assert "length" in capsys.readouterr().out
