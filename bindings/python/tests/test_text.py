"""Tokenizer, decoder, languages, prompts, tasks, errors: what needs no model."""

from __future__ import annotations

import array
import pathlib

import pytest

import codegeex
from codegeex import InvalidUtf8, SpecialTokens, Task, Tokenizer, errors

TEXT = "def f(x):\n    return x  # \u00e4\u4f60\U0001f980\0!"


def test_round_trip() -> None:
    tokenizer = Tokenizer()
    ids = tokenizer.encode(TEXT)
    assert tokenizer.decode(ids) == TEXT
    assert b"".join(map(tokenizer.token_bytes, ids)) == TEXT.encode()
    assert tokenizer.encode("") == [] and tokenizer.decode([]) == ""
    assert max(ids) < tokenizer.vocab_size
    # Ids in other forms.
    for form in (tuple(ids), iter(ids), array.array("I", ids), array.array("q", ids)):
        assert tokenizer.decode(form) == TEXT


def test_special_tokens() -> None:
    tokenizer = Tokenizer()
    end = tokenizer.encode("<|endoftext|>", SpecialTokens.PARSE)
    assert end == [tokenizer.end_of_text]
    assert len(tokenizer.encode("<|endoftext|>")) > 1


def test_decoder() -> None:
    tokenizer = Tokenizer()
    ids = tokenizer.encode(TEXT)
    decoder = tokenizer.decoder()
    tokenizer.close()
    assert "".join(map(decoder.push, ids)) + decoder.finish() == TEXT
    crab = Tokenizer().encode("\U0001f980")
    assert decoder.push(crab[0]) == "" and decoder.is_pending
    assert decoder.finish() == "\ufffd" and not decoder.is_pending
    strict = Tokenizer().decoder(InvalidUtf8.REFUSE)
    strict.push(crab[0])
    with pytest.raises(codegeex.InvalidUtf8Error):
        strict.finish()
    with pytest.raises(codegeex.InvalidUtf8Error):
        Tokenizer().decode(crab[:1], InvalidUtf8.REFUSE)


def test_errors_are_classes() -> None:
    tokenizer = Tokenizer()
    with pytest.raises(codegeex.TokenOutOfRangeError) as caught:
        tokenizer.token_bytes(2**32 - 1)
    assert caught.value.status == 101 and caught.value.message in str(caught.value)
    assert isinstance(caught.value, ValueError)
    with pytest.raises(FileNotFoundError, match="nowhere") as missing:
        codegeex.Model("/nowhere.safetensors")
    assert isinstance(missing.value, codegeex.NotFoundError)
    # What ctypes would cut to another number.
    for wrong in (-1, 2**32):
        with pytest.raises(codegeex.InvalidArgumentError, match="an id is"):
            tokenizer.decode([1, wrong])
        with pytest.raises(codegeex.InvalidArgumentError):
            tokenizer.token_bytes(wrong)
    with pytest.raises(TypeError):
        tokenizer.decode([1.5])  # type: ignore[list-item]
    with pytest.raises(UnicodeEncodeError):
        tokenizer.encode("\ud800")


def test_every_status_has_its_class() -> None:
    from codegeex import _abi

    names = [name for name in vars(_abi) if name.isupper() and name != "FUNCTIONS"]
    first = names.index("INVALID_ARGUMENT")
    statuses = {name: getattr(_abi, name) for name in names[first:]}
    assert len(statuses) == 22
    for name, status in statuses.items():
        assert errors.of_status(status).__name__ == name.title().replace("_", "") + "Error"
        assert errors.of_status(status)("found this", ("because",), status).causes == ("because",)
        assert str(errors.of_status(status)("found this", ("because",))) == "found this: because"
    assert errors.of_status(99999) is codegeex.Error


def test_folder(tmp_path: pathlib.Path) -> None:
    with pytest.raises(codegeex.NotFoundError):
        Tokenizer(tmp_path / "nothing")


def test_closing() -> None:
    with Tokenizer() as tokenizer:
        assert not tokenizer.closed
    assert tokenizer.closed
    tokenizer.close()
    with pytest.raises(codegeex.InvalidArgumentError, match="this tokenizer is closed"):
        tokenizer.encode("x")


def test_languages_and_prompts() -> None:
    assert codegeex.Language("python", "# language: Python") in codegeex.languages()
    assert codegeex.find_language("PYTHON").name == "python"
    with pytest.raises(codegeex.InvalidArgumentError, match="klingon"):
        codegeex.find_language("klingon")
    assert codegeex.prompt("python", "x = 1") == "# language: Python\nx = 1"
    assert codegeex.expand_template("a <INPUT> b", "in") == "a in b"


def test_tasks() -> None:
    code = "def f(x):\n    return x + 1\n"
    task = Task.docstring("python", code)
    assert task.lead and task.tail and task.stops and task.language == "python"
    assert task.prompt.endswith(task.lead)
    assert Task.complete("python", code).prompt == codegeex.prompt("python", code)
    assert "return x + 1" in Task.explain("python", code).prompt
    translated = Task.translate("python", code, "go", "func f(")
    assert translated.language == "go" and "func f(" in translated.prompt
    assert Task.custom("Say: <INPUT>", "python", "x").prompt == "Say: x"
    options = codegeex.GenerateOptions()
    options.add_task_stops(task)
    assert options.stop == task.stops
