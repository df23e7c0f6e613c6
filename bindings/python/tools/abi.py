"""Writes src/codegeex/_abi.py from the C header: python tools/abi.py [--check]

The types and signatures that ctypes is told are those of include/codegeex.h, and a test compares
the two. This is not a parser of C: it reads what cbindgen writes, and refuses anything else.
"""

from __future__ import annotations

import pathlib
import re
import sys

HERE = pathlib.Path(__file__).resolve().parent.parent
HEADER = HERE.parent.parent / "include" / "codegeex.h"
OUTPUT = HERE / "src" / "codegeex" / "_abi.py"

SCALARS = {
    "int32_t": "c_int32",
    "uint8_t": "c_uint8",
    "uint32_t": "c_uint32",
    "uint64_t": "c_uint64",
    "size_t": "c_size_t",
    "float": "c_float",
    "double": "c_double",
    "codegeex_status": "c_int32",
}
# Callbacks and pointers that are passed on as they are.
OPAQUE = "c_void_p"


class Header:
    """What the header declares."""

    def __init__(self, text: str) -> None:
        text = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
        self.constants = {
            name: int(value)
            for name, value in re.findall(r"^#define (CODEGEEX_\w+) (-?\d+)$", text, flags=re.M)
        }
        text = re.sub(r"^#.*$|//.*$", "", text, flags=re.M)
        text = text.replace('extern "C" {', "")
        self.structs = {
            name: [self.field(line) for line in body.split(";") if line.strip()]
            for name, body in re.findall(r"typedef struct (\w+) \{(.*?)\} \1;", text, flags=re.S)
        }
        text = re.sub(r"typedef struct (\w+) \{.*?\} \1;", "", text, flags=re.S)
        self.callbacks: dict[str, tuple[str, list[str]]] = {}
        for result, name, arguments in re.findall(
            r"typedef (\w+) \(\*(\w+)\)\(([^)]*)\);", text, flags=re.S
        ):
            self.callbacks[name] = (self.type_of(result), self.arguments(arguments))
        text = re.sub(r"typedef [^;]*;", "", text)
        self.functions: dict[str, tuple[str, list[str]]] = {}
        for statement in text.replace("}", "").split(";"):
            if not statement.strip():
                continue
            found = re.fullmatch(r"\s*([\w\s*]+?)\s*(\w+)\((.*)\)\s*", statement, flags=re.S)
            if found is None:
                raise SystemExit(f"not a function: {statement.strip()!r}")
            result, name, arguments = found.groups()
            # `const char *name(` leaves the star to the type.
            self.functions[name] = (self.type_of(result), self.arguments(arguments))

    def field(self, line: str) -> tuple[str, str]:
        found = re.fullmatch(r"\s*(.*?)(\w+)\s*", line, flags=re.S)
        if found is None:
            raise SystemExit(f"not a field: {line.strip()!r}")
        return found[2], self.type_of(found[1])

    def arguments(self, text: str) -> list[str]:
        if text.strip() in ("", "void"):
            return []
        return [self.field(argument)[1] for argument in text.split(",")]

    def type_of(self, text: str) -> str:
        words = re.sub(r"\b(const|struct)\b", "", text).replace("*", " * ").split()
        stars = words.count("*")
        (base,) = [word for word in words if word != "*"]
        if stars == 0:
            if base == "void":
                return "None"
            if base.endswith("_callback"):
                return OPAQUE
            return SCALARS[base]
        if stars == 1 and base in SCALARS and "const" not in text:
            return f"POINTER({SCALARS[base]})"
        if stars == 1 and base in getattr(self, "structs", {}):
            return f"POINTER({class_name(base)})"
        if stars == 2 and "const" not in text:
            return f"POINTER({OPAQUE})"
        return OPAQUE


def class_name(struct: str) -> str:
    """`codegeex_model_info` is `ModelInfo`."""
    return "".join(word.capitalize() for word in struct.split("_")[1:])


def render(header: Header) -> str:
    """The module."""
    lines = [
        '"""The C interface for ctypes. Written by tools/abi.py from codegeex.h: do not edit."""',
        "",
        "from __future__ import annotations",
        "",
        "import ctypes",
        "from ctypes import POINTER, c_double, c_float, c_int32, c_size_t, c_uint8, c_uint32",
        "from ctypes import c_uint64, c_void_p",
        "from typing import Any",
        "",
    ]
    lines += [f"{name[9:]} = {value}" for name, value in header.constants.items()]
    for name, fields in header.structs.items():
        lines += ["", "", f"class {class_name(name)}(ctypes.Structure):", "    _fields_ = ["]
        lines += [f'        ("{field}", {kind}),' for field, kind in fields]
        lines += ["    ]"]
    lines += ["", ""]
    for name, (result, arguments) in header.callbacks.items():
        lines += [f"{class_name(name)}: Any = ctypes.CFUNCTYPE({', '.join([result, *arguments])})"]
    lines += [
        "",
        "# Name: what it returns, what it takes.",
        "FUNCTIONS: dict[str, tuple[Any, list[Any]]] = {",
    ]
    for name, (result, arguments) in header.functions.items():
        lines += [f'    "{name}": ({result}, [{", ".join(arguments)}]),']
    lines += ["}", ""]
    return "\n".join(lines)


def main() -> None:
    text = render(Header(HEADER.read_text(encoding="utf-8")))
    if "--check" in sys.argv[1:]:
        if OUTPUT.read_text(encoding="utf-8") != text:
            raise SystemExit(f"{OUTPUT} is not what {HEADER} says: run tools/abi.py")
    else:
        OUTPUT.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
