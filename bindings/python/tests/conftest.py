"""The model of the tests: CODEGEEX_MODEL, or the one of the repository."""

from __future__ import annotations

import os
import pathlib
import signal
from collections.abc import Iterator

import pytest

import codegeex

ROOT = pathlib.Path(__file__).resolve().parents[3]
PROMPT = "def read_lines(path):"

# A shell starts background jobs with SIGINT ignored, and Python then leaves it so.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def model_path() -> str:
    return os.environ.get("CODEGEEX_MODEL") or str(ROOT / "models/codegeex_tiny.safetensors")


@pytest.fixture(scope="session")
def model(model_path: str) -> Iterator[codegeex.Model]:
    with codegeex.Model(model_path, threads=2) as opened:
        yield opened


@pytest.fixture(scope="session")
def prompt() -> str:
    return codegeex.prompt("python", PROMPT)
