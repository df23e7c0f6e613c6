"""Languages, prompts and tasks: text to text, without a model."""

from __future__ import annotations

from ctypes import byref, c_size_t
from typing import NamedTuple

from ._handle import Handle, check, handle, lent_text, static_text, text, text_argument, value
from ._library import library

__all__ = ["Language", "Task", "expand_template", "find_language", "languages", "prompt"]


class Language(NamedTuple):
    """A programming language by its name, such as ``python``, with its language tag."""

    name: str
    tag: str


def _language(index: int) -> Language:
    lib = library()
    name, tag = lib.codegeex_language_name(index), lib.codegeex_language_tag(index)
    return Language(static_text(name), static_text(tag))


def languages() -> list[Language]:
    """The languages, each by its name. :func:`find_language` also takes aliases."""
    return [_language(index) for index in range(library().codegeex_languages())]


def find_language(name: str) -> Language:
    """The language of a name; case-insensitive."""
    index = c_size_t()
    check("codegeex_language_find", *text_argument(name), byref(index))
    return _language(index.value)


def prompt(language: str, code: str) -> str:
    """The prompt for completing code: the language tag, then the code so far."""
    return text("codegeex_prompt_generation", *text_argument(language), *text_argument(code))


def expand_template(template: str, input: str) -> str:
    """Replaces the placeholders of a template with an input.

    ``<INPUT>`` is the whole input, ``<INPUT:a,b>`` its lines from a (inclusive) to b (exclusive).
    """
    return text("codegeex_template_expand", *text_argument(template), *text_argument(input))


class Task(Handle):
    """A prompt with its stop strings and the text around the answer."""

    _kind = "task"
    __slots__ = ()

    @classmethod
    def complete(cls, language: str, code: str) -> Task:
        """Completion of code."""
        return cls._make("complete", language, code)

    @classmethod
    def explain(cls, language: str, code: str) -> Task:
        """Explanation of code: the same code with a comment before every line."""
        return cls._make("explain", language, code)

    @classmethod
    def docstring(cls, language: str, code: str) -> Task:
        """Documentation of a function or a type."""
        return cls._make("docstring", language, code)

    @classmethod
    def translate(cls, source: str, code: str, target: str, declaration: str = "") -> Task:
        """Translation of code into another language. ``declaration`` is the beginning of the
        translation."""
        return cls._make("translate", source, code, target, declaration)

    @classmethod
    def custom(cls, template: str, language: str, code: str) -> Task:
        """A custom prompt from a template, see :func:`expand_template`."""
        return cls._make("custom", template, language, code)

    @classmethod
    def _make(cls, what: str, *texts: str) -> Task:
        arguments = [argument for one in texts for argument in text_argument(one)]
        return cls._of(handle(f"codegeex_task_{what}", *arguments))

    @property
    def prompt(self) -> str:
        """The prompt."""
        return lent_text("codegeex_task_prompt", self)

    @property
    def lead(self) -> str:
        """The end of the prompt that belongs to the answer."""
        return lent_text("codegeex_task_lead", self)

    @property
    def tail(self) -> str:
        """Text to append to a finished completion."""
        return lent_text("codegeex_task_tail", self)

    @property
    def language(self) -> str:
        """The name of the language of the answer."""
        return lent_text("codegeex_task_language", self)

    @property
    def stops(self) -> list[str]:
        """The stop strings."""
        count = value("codegeex_task_stops", self)
        return [lent_text("codegeex_task_stop", self, index) for index in range(count)]
