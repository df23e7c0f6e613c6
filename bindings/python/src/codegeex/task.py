"""Languages, prompts and tasks: text to text, without a model."""

from __future__ import annotations

from ctypes import byref, c_size_t
from typing import NamedTuple

from ._handle import Handle, check, handle, lent_text, static_text, text, text_argument, value
from ._library import library

__all__ = ["Language", "Task", "expand_template", "find_language", "languages", "prompt"]


class Language(NamedTuple):
    """A programming language by one of its names, such as ``python``, with its tag line."""

    name: str
    tag: str


def _language(index: int) -> Language:
    lib = library()
    name, tag = lib.codegeex_language_name(index), lib.codegeex_language_tag(index)
    return Language(static_text(name), static_text(tag))


def languages() -> list[Language]:
    """The names of languages; some languages have two."""
    return [_language(index) for index in range(library().codegeex_languages())]


def find_language(name: str) -> Language:
    """The language of a name; upper and lower case are equal."""
    index = c_size_t()
    check("codegeex_language_find", *text_argument(name), byref(index))
    return _language(index.value)


def prompt(language: str, code: str) -> str:
    """The prompt for completing code: the tag line of its language, then the code so far."""
    return text("codegeex_prompt_generation", *text_argument(language), *text_argument(code))


def expand_template(template: str, input: str) -> str:
    """Puts an input into the places of a template.

    ``<INPUT>`` stands for the whole of it, ``<INPUT:a,b>`` for its lines from a up to, but
    without, b.
    """
    return text("codegeex_template_expand", *text_argument(template), *text_argument(input))


class Task(Handle):
    """A prompt with what is needed to use the answer."""

    _kind = "task"
    __slots__ = ()

    @classmethod
    def complete(cls, language: str, code: str) -> Task:
        """Code to go on with."""
        return cls._make("complete", language, code)

    @classmethod
    def explain(cls, language: str, code: str) -> Task:
        """The same code with a comment before every line that says what the line does."""
        return cls._make("explain", language, code)

    @classmethod
    def docstring(cls, language: str, code: str) -> Task:
        """The documentation of a function or a type."""
        return cls._make("docstring", language, code)

    @classmethod
    def translate(cls, source: str, code: str, target: str, declaration: str = "") -> Task:
        """The translation of code into another language; ``declaration`` is how it begins."""
        return cls._make("translate", source, code, target, declaration)

    @classmethod
    def custom(cls, template: str, language: str, code: str) -> Task:
        """What a template makes of code, see :func:`expand_template`."""
        return cls._make("custom", template, language, code)

    @classmethod
    def _make(cls, what: str, *texts: str) -> Task:
        arguments = [argument for one in texts for argument in text_argument(one)]
        return cls._of(handle(f"codegeex_task_{what}", *arguments))

    @property
    def prompt(self) -> str:
        """What the model continues."""
        return lent_text("codegeex_task_prompt", self)

    @property
    def lead(self) -> str:
        """The end of the prompt that is the beginning of the answer."""
        return lent_text("codegeex_task_lead", self)

    @property
    def tail(self) -> str:
        """What belongs after a completion that has ended."""
        return lent_text("codegeex_task_tail", self)

    @property
    def language(self) -> str:
        """The name of the language of the answer."""
        return lent_text("codegeex_task_language", self)

    @property
    def stops(self) -> list[str]:
        """Stop strings: where a completion goes on with something else."""
        count = value("codegeex_task_stops", self)
        return [lent_text("codegeex_task_stop", self, index) for index in range(count)]
