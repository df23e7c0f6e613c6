"""The CodeGeeX code model: completion, translation, scoring of code, in this process.

    import codegeex

    with codegeex.Model("codegeex_tiny.safetensors") as model:
        prompt = codegeex.prompt("python", "def read_lines(path):")
        for text in model.stream(prompt, max_new_tokens=48).texts():
            print(text, end="", flush=True)

Every object that owns memory of the library is a context manager; garbage collection frees it too,
in any order. Errors are subclasses of :class:`Error`. The package needs only the standard library.
"""

from __future__ import annotations

from . import code, errors
from ._handle import static_text, text_argument
from ._library import library, load
from ._sampler import Sampler, SamplerInput
from .cancel import CancelToken
from .edit import AcceptPart, EditSession, EditUpdate
from .errors import *  # noqa: F403
from .events import Completion, End, Event, FinishReason, Token, TokenLogprob
from .model import MemoryEstimate, Model, ModelInfo, Perplexity, Score, convert, estimate_memory
from .options import (
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
)
from .service import Service, ServiceProgress, Ticket, WhenFull
from .session import Session
from .state import Logits, State, WantedLogits
from .stream import Stream
from .task import Language, Task, expand_template, find_language, languages, prompt
from .tokenizer import Decoder, InvalidUtf8, SpecialTokens, Tokenizer

__version__ = "0.1.0"

__all__ = [
    "AcceptPart",
    "ActivationType",
    "BeamOptions",
    "BeamRules",
    "CancelToken",
    "Completion",
    "ContextFile",
    "ConvertOptions",
    "Decoder",
    "EarlyStopping",
    "EditOptions",
    "EditSession",
    "EditUpdate",
    "End",
    "Event",
    "FinishReason",
    "GenerateOptions",
    "InfillOrder",
    "InvalidUtf8",
    "KvType",
    "Language",
    "Logits",
    "MemoryEstimate",
    "MemoryMode",
    "Model",
    "ModelInfo",
    "OpenOptions",
    "Perplexity",
    "Score",
    "Sampler",
    "SamplerInput",
    "Service",
    "ServiceOptions",
    "ServiceProgress",
    "Session",
    "SpecialTokens",
    "State",
    "Stream",
    "Task",
    "Ticket",
    "Token",
    "TokenLogprob",
    "Tokenizer",
    "WantedLogits",
    "WhenFull",
    "abi_version",
    "code",
    "convert",
    "cpu_tier",
    "cpu_tiers",
    "estimate_memory",
    "expand_template",
    "find_language",
    "has_feature",
    "languages",
    "library_version",
    "load",
    "prompt",
]
__all__ += errors.__all__


def library_version() -> str:
    """The version of the loaded library."""
    return static_text(library().codegeex_version())


def abi_version() -> tuple[int, int]:
    """The ABI version of the loaded library: major and minor number."""
    return divmod(int(library().codegeex_abi_version()), 65536)


def cpu_tiers() -> list[str]:
    """The instruction sets that the kernels can use on this machine, the fastest last."""
    lib = library()
    return [static_text(lib.codegeex_cpu_tier_name(i)) for i in range(lib.codegeex_cpu_tiers())]


def cpu_tier() -> str:
    """The fastest of them, which is the default."""
    return static_text(library().codegeex_cpu_tier())


def has_feature(name: str) -> bool:
    """Whether the library was built with a feature, by name."""
    return bool(library().codegeex_has_feature(*text_argument(name)))
