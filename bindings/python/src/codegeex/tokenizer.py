"""Text to token ids and back."""

from __future__ import annotations

import enum
import os
from collections.abc import Iterable

from . import _abi
from ._handle import (
    Handle,
    handle,
    id_list,
    ids_argument,
    octets,
    text,
    text_argument,
    unsigned,
    value,
)

__all__ = ["Decoder", "InvalidUtf8", "SpecialTokens", "Tokenizer"]


class SpecialTokens(enum.IntEnum):
    """What a special token such as ``<|endoftext|>`` that is spelled out in a text is."""

    AS_TEXT = _abi.SPECIAL_AS_TEXT
    PARSE = _abi.SPECIAL_PARSE


class InvalidUtf8(enum.IntEnum):
    """What becomes of bytes that are not UTF-8: U+FFFD, or an error."""

    REPLACE = _abi.INVALID_UTF8_REPLACE
    REFUSE = _abi.INVALID_UTF8_REFUSE


class Tokenizer(Handle):
    """Text to token ids and back. Any number of threads may use one at once.

    Without a folder it is that of CodeGeeX's published checkpoints, which is compiled in;
    otherwise ``vocab.json``, ``merges.txt`` and ``added_tokens.json`` of the folder are read.
    """

    _kind = "tokenizer"
    __slots__ = ()

    def __init__(self, folder: str | os.PathLike[str] | None = None) -> None:
        if folder is None:
            self._own(handle("codegeex_tokenizer_new"))
        else:
            path = text_argument(os.fspath(folder))
            self._own(handle("codegeex_tokenizer_from_folder", *path))

    def encode(self, text: str, special_tokens: SpecialTokens = SpecialTokens.AS_TEXT) -> list[int]:
        """The ids of a text."""
        given = text_argument(text)
        return id_list("codegeex_tokenizer_encode", self, *given, int(special_tokens))

    def decode(self, ids: Iterable[int], invalid_utf8: InvalidUtf8 = InvalidUtf8.REPLACE) -> str:
        """The text of ids, which may end inside a character."""
        return text("codegeex_tokenizer_decode", self, *ids_argument(ids), int(invalid_utf8))

    def token_bytes(self, id: int) -> bytes:
        """The bytes that an id stands for, which may end inside a character."""
        return octets("codegeex_tokenizer_token_bytes", self, unsigned(id, 32, "an id"))

    @property
    def vocab_size(self) -> int:
        """One more than the largest id."""
        return int(value("codegeex_tokenizer_vocab_size", self))

    @property
    def end_of_text(self) -> int:
        """The id that ends a text."""
        return int(value("codegeex_tokenizer_end_of_text", self))

    def decoder(self, invalid_utf8: InvalidUtf8 = InvalidUtf8.REPLACE) -> Decoder:
        """A decoder at the beginning of a text."""
        return Decoder(self, invalid_utf8)


class Decoder(Handle):
    """Decodes ids one after the other and gives out text as soon as it is certain.

    For one thread at a time; a second one gets :class:`~codegeex.BusyError`.
    """

    _kind = "decoder"
    __slots__ = ()

    def __init__(
        self, tokenizer: Tokenizer, invalid_utf8: InvalidUtf8 = InvalidUtf8.REPLACE
    ) -> None:
        self._own(handle("codegeex_decoder_new", tokenizer, int(invalid_utf8)))

    def push(self, id: int) -> str:
        """The text that ``id`` completes, which may be empty."""
        return text("codegeex_decoder_push", self, unsigned(id, 32, "an id"))

    @property
    def is_pending(self) -> bool:
        """Whether bytes are held back."""
        return bool(value("codegeex_decoder_is_pending", self))

    def finish(self) -> str:
        """Ends the text; afterwards the decoder is at the beginning of another one."""
        return text("codegeex_decoder_finish", self)
