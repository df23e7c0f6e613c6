"""How the shared library is found, and refused. Each in a process of its own."""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
import sys

import pytest

import codegeex
from codegeex import _library

USE = "import codegeex; print(codegeex.library_version())"


@pytest.fixture(scope="module")
def library_path() -> pathlib.Path:
    """The library that these tests run with, as a file."""
    codegeex.load()
    name = _library.library()._name
    if os.path.sep in name:
        return pathlib.Path(name).resolve()
    for line in pathlib.Path("/proc/self/maps").read_text().splitlines():
        if "libcodegeex" in line:
            return pathlib.Path(line.split()[-1])
    pytest.fail(f"where is {name}?")


def run(
    code: str, package: pathlib.Path | None = None, **env: str
) -> subprocess.CompletedProcess[str]:
    folder = pathlib.Path(codegeex.__file__).parent.parent if package is None else package
    kept = {k: v for k, v in os.environ.items() if k not in ("CODEGEEX_LIBRARY", "LD_LIBRARY_PATH")}
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**kept, "PYTHONPATH": str(folder), **env},
        capture_output=True,
        text=True,
    )


def test_by_path_and_by_variable(library_path: pathlib.Path) -> None:
    done = run(USE, CODEGEEX_LIBRARY=str(library_path))
    assert done.stdout == "0.1.0\n", done.stderr
    done = run(f"import codegeex; codegeex.load({str(library_path)!r}); {USE}")
    assert done.stdout == "0.1.0\n", done.stderr
    # The argument counts before the variable.
    done = run(
        f"import codegeex; codegeex.load({str(library_path)!r}); {USE}", CODEGEEX_LIBRARY="/nowhere"
    )
    assert done.stdout == "0.1.0\n", done.stderr
    done = run(f"import codegeex; codegeex.load({str(library_path)!r}); codegeex.load('/nowhere')")
    assert "LibraryError" in done.stderr and "is loaded already" in done.stderr


def test_beside_the_package(library_path: pathlib.Path, tmp_path: pathlib.Path) -> None:
    shutil.copytree(pathlib.Path(codegeex.__file__).parent, tmp_path / "codegeex")
    shutil.copy(library_path, tmp_path / "codegeex" / "libcodegeex.so")
    done = run(f"{USE}; print(codegeex._library.library()._name)", tmp_path)
    assert str(tmp_path) in done.stdout, done.stderr


def test_by_the_system(library_path: pathlib.Path, tmp_path: pathlib.Path) -> None:
    shutil.copy(library_path, tmp_path / "libcodegeex.so.0")
    done = run(USE, LD_LIBRARY_PATH=str(tmp_path))
    assert done.stdout == "0.1.0\n", done.stderr


def test_errors_say_what_to_do(tmp_path: pathlib.Path) -> None:
    done = run(USE, CODEGEEX_LIBRARY="/nowhere/libcodegeex.so")
    assert "LibraryError" in done.stderr and "/nowhere/libcodegeex.so" in done.stderr
    assert "CODEGEEX_LIBRARY" in done.stderr
    # The package can be imported without the library.
    assert run("import codegeex").returncode == 0


@pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")
@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("int nothing(void) { return 0; }", "is not a codegeex library"),
        ("unsigned codegeex_abi_version(void) { return 99u << 16; }", "has ABI 99.0"),
        ("unsigned codegeex_abi_version(void) { return 0; }", "has ABI 0.0"),
        ("unsigned codegeex_abi_version(void) { return 1; }", "has no codegeex_"),
    ],
)
def test_strangers_are_refused(source: str, message: str, tmp_path: pathlib.Path) -> None:
    (tmp_path / "stranger.c").write_text(source)
    library = tmp_path / "stranger.so"
    subprocess.run(
        ["cc", "-shared", "-fPIC", str(tmp_path / "stranger.c"), "-o", str(library)], check=True
    )
    done = run(USE, CODEGEEX_LIBRARY=str(library))
    assert "LibraryError" in done.stderr and message in done.stderr


def test_versions() -> None:
    assert codegeex.library_version() == codegeex.__version__
    assert codegeex.abi_version()[0] == 0
    assert codegeex.cpu_tiers()[0] == "scalar" and codegeex.cpu_tier() in codegeex.cpu_tiers()
    assert codegeex.has_feature("capi") and not codegeex.has_feature("no such feature")
