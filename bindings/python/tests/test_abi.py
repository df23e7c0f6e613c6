"""What ctypes is told is what the header says."""

from __future__ import annotations

import ctypes
import pathlib
import re
import shutil
import subprocess
import sys

import pytest
from conftest import ROOT

import codegeex
from codegeex import _abi
from codegeex._library import library

HEADER = ROOT / "include" / "codegeex.h"
TOOL = ROOT / "bindings/python/tools/abi.py"
STRUCTS = {
    "codegeex_model_info": _abi.ModelInfo,
    "codegeex_memory_estimate": _abi.MemoryEstimate,
    "codegeex_text": _abi.Text,
    "codegeex_likelihood": _abi.Likelihood,
    "codegeex_ranked": _abi.Ranked,
    "codegeex_code_token": _abi.CodeToken,
    "codegeex_candidate": _abi.Candidate,
    "codegeex_sampler_input": _abi.SamplerInput,
    "codegeex_token_logprob": _abi.TokenLogprob,
    "codegeex_event": _abi.Event,
    "codegeex_edit_update": _abi.EditUpdate,
    "codegeex_service_progress": _abi.ServiceProgress,
}


def test_signatures_are_those_of_the_header() -> None:
    done = subprocess.run([sys.executable, str(TOOL), "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_every_function_is_declared_and_used() -> None:
    header = re.sub(r"/\*.*?\*/", "", HEADER.read_text(encoding="utf-8"), flags=re.S)
    declared = set(re.findall(r"\b(codegeex_\w+)\(", header))
    assert declared == set(_abi.FUNCTIONS)
    package = pathlib.Path(_abi.__file__).parent
    text = "".join(
        path.read_text(encoding="utf-8") for path in package.glob("*.py") if path.name != "_abi.py"
    )
    # Names that are put together: those of handles, of options and of what comes in two forms. The
    # setters of single options are for C: here the key does the same.
    made = re.compile(
        r"codegeex_(\w+_free|(open|generate|beam|edit|convert|service)_options_(new|set|get|key|set_\w+)"
        r"|generate_options_add_file|(model|session)_generate|\w+_from|task_(complete|explain|docstring|translate|custom))$"
    )
    unused = {name for name in declared if not re.search(rf"\b{name}\b", text)}
    # The names of reasons are those of the enum: test_names_of_reasons.
    made_or_named = {name for name in unused if made.match(name)} | {"codegeex_finish_reason_name"}
    assert unused == made_or_named
    for name in unused:
        found = re.match(r"codegeex_(\w+_options)_set_(\w+)", name)
        if found:
            kind = "".join(word.capitalize() for word in found[1].split("_"))
            assert found[2] in getattr(codegeex, kind).keys(), name


@pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")
def test_structs_and_constants_are_those_of_the_compiler(tmp_path: pathlib.Path) -> None:
    lines = [
        "#include <stddef.h>",
        "#include <stdio.h>",
        '#include "codegeex.h"',
        "int main(void) {",
    ]
    expected = {}
    for name, struct in STRUCTS.items():
        lines.append(f'printf("{name} %zu\\n", sizeof({name}));')
        expected[name] = ctypes.sizeof(struct)
        for field, kind in struct._fields_:  # type: ignore[misc]
            at = f"{name}.{field}"
            lines.append(f'printf("{at} %zu\\n", offsetof({name}, {field}));')
            lines.append(f'printf("{at}:size %zu\\n", sizeof((({name} *)0)->{field}));')
            expected[at] = getattr(struct, field).offset
            expected[f"{at}:size"] = ctypes.sizeof(kind)
    for name, value in vars(_abi).items():
        if name.isupper() and isinstance(value, int):
            lines.append(f'printf("{name} %lld\\n", (long long)CODEGEEX_{name});')
            expected[name] = value
    lines.append("return 0; }")
    source = tmp_path / "layout.c"
    source.write_text("\n".join(lines))
    program = tmp_path / "layout"
    subprocess.run(["cc", f"-I{HEADER.parent}", str(source), "-o", str(program)], check=True)
    output = subprocess.run([str(program)], check=True, capture_output=True, text=True).stdout
    found = {name: int(value) for name, value in (line.split() for line in output.splitlines())}
    assert found == expected
    assert len(found) > 100
    # No struct of the header is left out.
    assert set(re.findall(r"^\} (codegeex_\w+);", HEADER.read_text(), flags=re.M)) == set(STRUCTS)


def test_names_of_reasons() -> None:
    for reason in codegeex.FinishReason:
        name = library().codegeex_finish_reason_name(int(reason))
        assert ctypes.string_at(name).decode() == str(reason)
    assert codegeex.FinishReason(12345) is codegeex.FinishReason.OTHER
