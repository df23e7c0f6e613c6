"""Options by attribute and by key."""

from __future__ import annotations

import math
import pydoc

import pytest

import codegeex
from codegeex import (
    ActivationType,
    BeamOptions,
    BeamRules,
    ConvertOptions,
    EarlyStopping,
    EditOptions,
    GenerateOptions,
    KvType,
    MemoryMode,
    OpenOptions,
    ServiceOptions,
    SpecialTokens,
)

CASES = [
    (
        GenerateOptions,
        {
            "max_new_tokens": 7,
            "temperature": 0.5,
            "top_k": 4,
            "top_p": 0.5,
            "min_p": 0.25,
            "typical_p": 0.5,
            "repetition_penalty": 1.5,
            "presence_penalty": 0.5,
            "frequency_penalty": 0.25,
            "seed": 2**64 - 1,
            "first_sample": 2,
            "samples": 3,
            "top_logprobs": 1,
            "threads": 1,
            "timeout_ms": 60000,
            "prefill_limit": 100,
            "logit_bias": {198: -2.5, 3: 1.0},
            "banned_ids": [1, 2],
            "stop": ["a", '\u4f60\n"\\'],
            "special_tokens": SpecialTokens.PARSE,
            "speculation": "lookup:3",
            "stop_at": "go:block,function",
            "heal": True,
        },
    ),
    (
        BeamOptions,
        {
            "num_beams": 3,
            "max_new_tokens": 6,
            "rules": BeamRules.HUGGING_FACE,
            "length_penalty": 0.5,
            "early_stopping": EarlyStopping.NEVER,
            "stop": ["a"],
            "banned_ids": [7],
            "special_tokens": SpecialTokens.PARSE,
        },
    ),
    (
        OpenOptions,
        {
            "memory": MemoryMode.COPY,
            "threads": 1,
            "isa": "scalar",
            "kv": KvType.INT8,
            "activations": ActivationType.INT8,
            "memory_limit": 0,
            "config": "none",
        },
    ),
    (
        EditOptions,
        {
            "clip_step": 16,
            "reindent": False,
            "cut_at_scope": False,
            "without_overlap": False,
            "distinct": False,
            "rank": False,
            "suffix_tokens": 3,
        },
    ),
    (
        ConvertOptions,
        {
            "dtype": "f16",
            "quantize": "int4",
            "quantize_head": True,
            "threads": 2,
            "overwrite": True,
        },
    ),
    (
        ServiceOptions,
        {"sequences": 2, "prefill_tokens": 3, "prefixes": 4, "waiting": 5, "cache_bytes": 6},
    ),
]


@pytest.mark.parametrize(("kind", "settings"), CASES)
def test_attributes(kind: type, settings: dict[str, object]) -> None:
    # Each option of the library is an attribute.
    assert set(kind.keys()) == set(settings)  # type: ignore[attr-defined]
    defaults = kind()
    before = {name: getattr(defaults, name) for name in settings}
    options = kind(**settings)
    for name, value in settings.items():
        found = getattr(options, name)
        assert found == value and type(found) is type(value), name
        if value != "none":
            assert before[name] != value, name
        # What is read by key is what can be set by key.
        defaults[name] = options[name]
        assert getattr(defaults, name) == value
        setattr(options, name, before[name])
        assert getattr(options, name) == before[name]
    assert all(kind.keys().values())  # type: ignore[attr-defined]
    assert kind.__name__ in repr(options)


def test_biases() -> None:
    options = GenerateOptions(logit_bias={3: math.inf, 4: -math.inf, 5: 0.25})
    assert options.logit_bias == {3: math.inf, 4: -math.inf, 5: 0.25}
    options.logit_bias = {}
    assert options.logit_bias == {}


def test_none_is_no_limit() -> None:
    options = GenerateOptions(prefill_limit=3)
    options.prefill_limit = None
    assert options.prefill_limit is None and options["prefill_limit"] == "none"
    opening = OpenOptions(memory_limit=5)
    opening.memory_limit = None
    assert opening.memory_limit is None


def test_stops() -> None:
    options = GenerateOptions(stop=["a"])
    options.add_stop("b")
    assert options.stop == ["a", "b"]
    options.clear_stop()
    assert options.stop == []
    beams = BeamOptions()
    beams.add_stop("c")
    assert beams.stop == ["c"]


def test_copy() -> None:
    options = GenerateOptions(seed=3)
    copy = options.copy(max_new_tokens=4)
    assert copy.seed == 3 and copy.max_new_tokens == 4 and options.max_new_tokens == 128


def test_what_is_refused() -> None:
    with pytest.raises(TypeError, match="no option 'temprature'"):
        GenerateOptions(temprature=1.0)  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        GenerateOptions(close=1)  # type: ignore[call-arg]
    options = GenerateOptions(top_k=4)
    with pytest.raises(codegeex.InvalidArgumentError, match="max_new_tokens is -1"):
        options.max_new_tokens = -1
    with pytest.raises(codegeex.InvalidArgumentError):
        options.first_sample = 2**32
    with pytest.raises(codegeex.InvalidArgumentError, match="many"):
        options["top_k"] = "many"
    assert options.top_k == 4
    with pytest.raises(codegeex.InvalidArgumentError, match="no option is called"):
        options["nothing"] = "1"
    with pytest.raises(KeyError):
        options["nothing"]
    with pytest.raises(AttributeError):
        options.temprature = 1.0  # type: ignore[attr-defined]
    with pytest.raises(codegeex.InvalidArgumentError):
        OpenOptions(isa="abacus")


def test_help_explains_every_option() -> None:
    for kind in (OpenOptions, GenerateOptions, BeamOptions, EditOptions, ConvertOptions, ServiceOptions):
        for name, option in vars(kind).items():
            if type(option).__name__ == "_Option":
                assert option.__doc__, f"{kind.__name__}.{name}"
    text = pydoc.plain(pydoc.render_doc(GenerateOptions))
    assert "Sampling temperature" in text
