"""Source code without a model."""

from __future__ import annotations

import array
import math

import pytest

import codegeex
from codegeex import FinishReason, code
from codegeex.code import CodeStop, Cut, Kind, Likelihood

#: Two bytes a character and more, which the library counts and Python does not.
WIDE = "\u00e4\u4f60\U0001f980"


def test_code_stop() -> None:
    stop = CodeStop("python", ["function", "humaneval"], "def one():\n")
    assert stop.push(f"    return '{WIDE}'\n") == Cut(f"    return '{WIDE}'", FinishReason.NONE)
    assert stop.push("\nd") == Cut("", FinishReason.END_OF_FUNCTION)
    assert stop.push("ef two") == Cut("", FinishReason.END_OF_FUNCTION)
    # Text that was held back.
    with CodeStop("Go", "block", "if x {") as stop:
        pieces = [stop.push("\n\ty()\n").text, stop.finish()]
    assert "".join(pieces) == "\n\ty()\n"
    with pytest.raises(codegeex.InvalidArgumentError, match="this code stop is closed"):
        stop.push("x")
    for language, rules in (("pyton", "line"), ("python", "lines"), ("python", [])):
        with pytest.raises(codegeex.InvalidArgumentError):
            CodeStop(language, rules)


def test_cut() -> None:
    text = '\tg("}' + WIDE + '")\n}\n\nfunc'
    kept = '\tg("}' + WIDE + '")\n}'
    expected = Cut(kept, FinishReason.END_OF_FUNCTION)
    assert code.cut("go", ["function"], "func f() {\n", text) == expected
    assert code.cut("go", "function", "func f() {\n", "\tg()\n") == ("\tg()\n", FinishReason.NONE)
    with pytest.raises(codegeex.InvalidArgumentError, match="klingon"):
        code.cut("klingon", "line", "", "x")
    before, rest = "fn f() -> u8 { ", "1 }\n\nfn g() -> u8 { 2 }\n"
    assert code.cut_at_scope("rust", before, rest) == "1 }"
    assert code.cut_at_scope("rust", before, f"/*{WIDE}*/ {rest}") == f"/*{WIDE}*/ 1 }}"
    assert code.without_overlap("python", "print(len(", "x))", "))\n") == "x"
    assert code.without_overlap("python", "print(len(", f"'{WIDE}'))", "))\n") == f"'{WIDE}'"


def test_indentation() -> None:
    assert code.indentation("javascript", "function f() {\n  g(a,\n    b);\n") == 2
    assert code.indentation("go", "if x {\n\ty()\n}\n") == code.TABS
    assert code.indentation("js", "f();\n") is None
    before = "func f() {\n\tif a {\n\t\tb()\n\t}\n\t"
    completion = f"if c {{\n        d('{WIDE}')\n    }}\n"
    expected = f"if c {{\n\t\td('{WIDE}')\n\t}}\n"
    assert code.reindent("go", code.TABS, before, completion) == expected
    for wrong in (-1, 17, 2**32, 2**32 + 4, -(2**40)):
        with pytest.raises(codegeex.InvalidArgumentError, match="from 1 to 16"):
            code.reindent("go", wrong, "", "x")


def test_distinct() -> None:
    assert code.distinct(["", "return x", "return x\n", "  return x", " "]) == [1, 3]
    assert code.distinct(iter([WIDE, "x", WIDE + " "])) == [0, 1]
    assert code.distinct([]) == []


def test_rank() -> None:
    short, long = Likelihood([-0.5] * 2), Likelihood(array.array("f", [-0.2] * 7))
    ranked = code.rank([short, long])
    assert [one.index for one in ranked] == [1, 0]
    assert math.isclose(ranked[0].score, -0.2, rel_tol=1e-6)
    assert math.isclose(ranked[1].score, -0.5, rel_tol=1e-6)
    near, far = short._replace(suffix=[-0.3, -0.1]), long._replace(suffix=(-4.0, -0.1))
    assert [one.index for one in code.rank(iter([near, far]))] == [0, 1]
    # A suffix counts only if all candidates have one.
    assert [one.index for one in code.rank([near, long])] == [1, 0]
    unknown = code.rank([Likelihood([]), Likelihood([math.nan])])
    assert [one.score for one in unknown] == [-math.inf] * 2
    assert code.rank([]) == []


def test_scan() -> None:
    text = f'{WIDE}("}}{WIDE}") # {{\n)'
    tokens = code.scan("python", text)
    assert "".join(token.text for token in tokens) == text
    assert all(text[t.start : t.start + len(t.text)] == t.text for t in tokens)
    found = [(t.text, t.depth) for t in tokens if t.kind in (Kind.OPENER, Kind.STRING, Kind.CLOSER)]
    assert found == [("(", 1), (f'"}}{WIDE}"', 1), (")", 0)]
    last = [Kind.BLANK, Kind.COMMENT, Kind.NEWLINE, Kind.STRAY]
    assert [token.kind for token in tokens[-4:]] == last
    assert code.scan("python", "") == []
    assert Kind(99) is Kind.SYMBOL
