"""Fill-in-the-middle."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator

import pytest

import codegeex
from codegeex import ContextFile, FinishReason, InfillOrder

ROOT = pathlib.Path(__file__).resolve().parents[3]
# The control tokens of tests/data/infill; the 256 bytes follow from id 7 on.
PREFIX, MIDDLE, SUFFIX, PAD, FILENAME, REPONAME = range(1, 7)


def text(value: str) -> list[int]:
    return [7 + byte for byte in value.encode()]


@pytest.fixture(scope="module")
def filler() -> Iterator[codegeex.Model]:
    """A model with StarCoder's tokens."""
    with codegeex.Model(ROOT / "tests/data/infill") as opened:
        yield opened


@pytest.fixture(scope="module")
def toy() -> Iterator[codegeex.Model]:
    """A model without such tokens."""
    with codegeex.Model(ROOT / "models/toy.safetensors") as opened:
        yield opened


def test_the_prompt_is_in_the_format_of_the_model(filler: codegeex.Model) -> None:
    def by_hand(*ids: int) -> list[int]:
        return filler.generate(ids, max_new_tokens=12)[0].ids

    assert filler.infill_format == "starcoder"
    psm = by_hand(PREFIX, *text("a = "), SUFFIX, *text("\nb"), MIDDLE)
    assert filler.infill("a = ", "\nb", max_new_tokens=12)[0].ids == psm
    assert filler.infill(text("a = "), "\nb", max_new_tokens=12)[0].ids == psm
    assert filler.generate("a = ", suffix="\nb", max_new_tokens=12)[0].ids == psm
    assert codegeex.Session(filler).infill("a = ", "\nb", max_new_tokens=12)[0].ids == psm

    options = codegeex.GenerateOptions(max_new_tokens=12, infill_order=InfillOrder.SPM)
    spm = by_hand(PREFIX, SUFFIX, *text("\nb"), MIDDLE, *text("a = "))
    assert spm != psm
    assert filler.infill("a = ", "\nb", options)[0].ids == spm
    # The options of the caller stay as they are.
    assert options.suffix is None

    head = [REPONAME, *text("r"), FILENAME, *text("b.py\nB"), FILENAME, *text("a.py\n")]
    files = filler.infill(
        "a = ", "\nb", max_new_tokens=12, path="a.py", repository="r",
        files=[ContextFile("b.py", "B")],
    )
    assert files[0].ids == by_hand(
        *head, PREFIX, *text("a = "), SUFFIX, *text("\nb"), MIDDLE
    )


def test_the_middle_ends_at_the_tokens_of_the_format(filler: codegeex.Model) -> None:
    [done] = filler.infill("a", "\nb", logit_bias={PAD: 1000.0})
    assert (done.text, done.ids, done.finish_reason) == ("", [PAD], FinishReason.END_OF_TEXT)
    [plain] = filler.generate("a", max_new_tokens=12)
    [ended] = filler.generate("a", max_new_tokens=12, stop_ids=plain.ids[:1])
    assert ended.finish_reason == FinishReason.END_OF_TEXT
    assert ended.ids == plain.ids[:1]


def test_samplers_and_the_callback_take_part(filler: codegeex.Model) -> None:
    seen: list[int] = []

    def only(given: codegeex.SamplerInput) -> None:
        for index, id in enumerate(given.ids):
            given.logits[index] = 0.0 if id == 7 + ord("x") else -1e9

    options = codegeex.GenerateOptions(max_new_tokens=3, samplers=[only])
    events = lambda event: seen.append(1)  # noqa: E731
    assert filler.infill("a", "b", options, on_event=events)[0].text == "xxx"
    assert len(seen) >= 3


def test_other_models_rank_their_samples_by_the_suffix(toy: codegeex.Model) -> None:
    assert toy.infill_format is None
    settings = codegeex.GenerateOptions(max_new_tokens=12, samples=6, temperature=1.0)
    plain = [done.text for done in toy.generate("def f(", settings)]
    ranked = [done.text for done in toy.infill("def f(", "):\n    return 1\n", settings)]
    assert sorted(ranked) == sorted(plain)
    assert ranked != plain


def test_what_is_wrong_is_said(filler: codegeex.Model, toy: codegeex.Model) -> None:
    options = codegeex.GenerateOptions()
    with pytest.raises(codegeex.InvalidArgumentError, match="auto, psm, spm"):
        options.infill_order = "mps"
    with pytest.raises(TypeError, match="path and a text"):
        options.files = [(1, "text")]  # type: ignore[list-item]
    with pytest.raises(TypeError):
        filler.infill("a", b"b")  # type: ignore[arg-type]
    with pytest.raises(codegeex.InvalidArgumentError, match="set the path"):
        filler.infill("a", "b", files=[ContextFile("a.py", "A")])
    with pytest.raises(codegeex.InvalidArgumentError, match="no format for them"):
        toy.infill("a", "b", path="b.py", files=[("a.py", "A")])
    options.files = [("a\n.py", '"\\')]
    assert options.files == [ContextFile("a\n.py", '"\\')]
    with pytest.raises(codegeex.InvalidArgumentError, match="text after the cursor"):
        codegeex.EditOptions(generate=options)


def test_an_edit_session_fills_in_the_middle(filler: codegeex.Model) -> None:
    options = codegeex.GenerateOptions(max_new_tokens=8)
    edits = codegeex.EditOptions(generate=options, clip_step=8, infill_suffix_tokens=16)
    assert edits.infill and edits.infill_suffix_tokens == 16
    with codegeex.EditSession(filler, "python", edits) as session:
        session.update("a = ", "\nb\n")
        events: list[object] = []
        session.suggest(on_event=events.append)
        assert events
