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
    ContextFile,
    ConvertOptions,
    EarlyStopping,
    EditOptions,
    GenerateOptions,
    InfillOrder,
    KvType,
    MemoryMode,
    OpenOptions,
    ServiceOptions,
    SpecialTokens,
)

CASES: list[tuple[type[codegeex.options.Options], dict[str, object]]] = [
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
            "stop_before": 'x = "\u4f60\0\n\t\\',
            "stop_ids": [2],
            "heal": True,
            "suffix": 'x = "\u4f60\0\n\t\\',
            "infill_order": InfillOrder.SPM,
            "path": "a.py",
            "repository": "r",
            "files": [ContextFile("b.py", '"\u4f60\n')],
            "infill_language": "python",
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
            "stop_at": "python:line",
            "stop_before": "",
            "stop_ids": [1, 2],
            "banned_ids": [7],
            "special_tokens": SpecialTokens.PARSE,
            "timeout_ms": 1,
            "prefill_limit": 2**64 - 1,
            "threads": 3,
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
            "config": None,
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
            "infill": False,
            "infill_suffix_tokens": 4,
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
        if value is not None:
            assert before[name] != value, name
        # What is read by key is what can be set by key.
        defaults[name] = options[name]
        assert getattr(defaults, name) == value
        setattr(options, name, before[name])
        assert getattr(options, name) == before[name]
    assert all(kind.keys().values())  # type: ignore[attr-defined]
    assert kind.__name__ in repr(options)


def test_biases() -> None:
    options = GenerateOptions(logit_bias={3: 1e-30, 4: -math.inf, 2**32 - 1: 0.25})
    assert options.logit_bias == {3: 1e-30, 4: -math.inf, 2**32 - 1: 0.25}
    # What no generation takes, and what is no 32-bit number.
    for wrong in (math.inf, math.nan, 1e39):
        with pytest.raises(codegeex.InvalidArgumentError, match="the logit bias of 5 is"):
            options.logit_bias = {5: wrong}
    for id in (-1, 2**32):
        with pytest.raises(codegeex.InvalidArgumentError, match="an id is"):
            options.logit_bias = {id: 1.0}
    assert len(options.logit_bias) == 3
    options.logit_bias = {}
    assert options.logit_bias == {}


def test_numbers_keep_their_digits() -> None:
    options = GenerateOptions()
    # As 32-bit floats, which the library has.
    for number in (1e-7, 0.1, 1.0, 3, 1.1754944e-38, 3.4028235e38):
        options.presence_penalty = number
        assert math.isclose(options.presence_penalty, number, rel_tol=1e-7), number
    options.temperature = math.nan
    assert math.isnan(options.temperature)


def test_names_are_text_too() -> None:
    opening = OpenOptions(memory="copy", kv="f16", activations=ActivationType.INT8)
    assert opening.memory is MemoryMode.COPY and opening.kv == "f16" == str(opening.kv)
    assert opening["activations"] == "int8"
    assert BeamOptions(rules="hugging_face").rules is BeamRules.HUGGING_FACE
    assert GenerateOptions(special_tokens="parse").special_tokens is SpecialTokens.PARSE
    with pytest.raises(codegeex.InvalidArgumentError, match='"q4" is none of f32, f16, int8'):
        opening.kv = "q4"
    assert opening.kv is KvType.F16


def test_none_is_no_limit() -> None:
    options = GenerateOptions(prefill_limit=3)
    options.prefill_limit = None
    assert options.prefill_limit is None and options["prefill_limit"] == "none"
    opening = OpenOptions(memory_limit=5)
    opening.memory_limit = None
    assert opening.memory_limit is None
    # A service has limits unless it is told otherwise.
    service = ServiceOptions(cache_bytes="unlimited")
    assert service.cache_bytes == "unlimited"
    service.cache_bytes = None
    assert service.cache_bytes is None and service["cache_bytes"] == "none"
    with pytest.raises(codegeex.InvalidArgumentError, match="cache_bytes"):
        service.cache_bytes = "half"


@pytest.mark.parametrize("kind", [GenerateOptions, BeamOptions])
def test_stops(kind: type[GenerateOptions] | type[BeamOptions]) -> None:
    options = kind(stop=["a"])
    options.add_stop("b")
    assert options.stop == ["a", "b"]
    options.clear_stop()
    assert options.stop == []
    # One text, and not its characters.
    options.stop = "end"
    assert options.stop == ["end"]
    every = "".join(map(chr, range(0x20))) + '"\\/\x7f\u2028\U0001f980'
    options.stop = (every for _ in range(2))
    options.add_stop(every)
    assert options.stop == [every] * 3
    options.stop_before = every
    assert options.stop_before == every
    options.stop_before = "none"
    assert options.stop_before == "none"
    options.stop_before = None
    assert options.stop_before is None and options["stop_before"] == "none"
    with pytest.raises(UnicodeEncodeError):
        options.stop = ["\ud800"]
    options.set_stop_at("python", ["block", "function"])
    assert options.stop_at == "python:block,function"
    options.set_stop_at("python", [])
    assert options.stop_at is None
    with pytest.raises(codegeex.InvalidArgumentError, match="nothing"):
        options.set_stop_at("python", ["nothing"])


def test_copy() -> None:
    options = GenerateOptions(seed=3)
    copy = options.copy(max_new_tokens=4)
    assert copy.seed == 3 and copy.max_new_tokens == 4 and options.max_new_tokens == 128


def test_what_is_refused() -> None:
    unknown = r"no option 'temprature' \(did you mean 'temperature'\?\); .* of banned_ids, "
    with pytest.raises(TypeError, match=unknown):
        GenerateOptions(temprature=1.0)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="no option 'zzz'; expected one of .*, memory, "):
        OpenOptions(zzz=1.0)  # type: ignore[call-arg]
    for number in ("hot", None):
        with pytest.raises(TypeError, match=f"temperature is a number, not {number!r}"):
            GenerateOptions(temperature=number)  # type: ignore[arg-type]
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
    for ids in (b"12", "12"):
        with pytest.raises(TypeError):
            options.banned_ids = ids  # type: ignore[assignment]
    with pytest.raises(TypeError, match="heal is a bool, not 'false'"):
        GenerateOptions(heal="false")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="stop_before is a str, not bytes"):
        GenerateOptions(stop_before=b"x")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="a sampler is a callable, not int"):
        GenerateOptions(samplers=[1])  # type: ignore[list-item]


def test_help_explains_every_option() -> None:
    for kind, _ in CASES:
        for name in kind.keys():
            assert getattr(kind, name).__doc__, f"{kind.__name__}.{name}"
    text = pydoc.plain(pydoc.render_doc(GenerateOptions))
    assert "Sampling temperature" in text and "Custom samplers" in text
