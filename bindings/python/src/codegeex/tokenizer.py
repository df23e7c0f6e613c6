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
    path_argument,
    text,
    text_argument,
    unsigned,
    value,
)

__all__ = ["Decoder", "InvalidUtf8", "SpecialTokens", "Tokenizer"]


class SpecialTokens(enum.IntEnum):
    """How special tokens in a text, such as ``<|endoftext|>``, are encoded."""

    AS_TEXT = _abi.SPECIAL_AS_TEXT
    PARSE = _abi.SPECIAL_PARSE


class InvalidUtf8(enum.IntEnum):
    """How invalid UTF-8 is handled: U+FFFD, or an error."""

    REPLACE = _abi.INVALID_UTF8_REPLACE
    REFUSE = _abi.INVALID_UTF8_REFUSE


class Tokenizer(Handle):
    """Text to token ids and back. Any number of threads may use one concurrently.

    Without a folder it is the built-in tokenizer of the published CodeGeeX checkpoints. With a
    folder it reads ``tokenizer.json``, ``tokenizer.model``, or ``vocab.json``, ``merges.txt`` and
    ``added_tokens.json`` from it; it may also be one of the first two files itself.
    """

    _kind = "tokenizer"
    __slots__ = ()

    def __init__(self, folder: str | os.PathLike[str] | None = None) -> None:
        if folder is None:
            self._own(handle("codegeex_tokenizer_new"))
        else:
            path = path_argument(folder)
            self._own(handle("codegeex_tokenizer_from_folder", *path))

    def encode(self, text: str, special_tokens: SpecialTokens = SpecialTokens.AS_TEXT) -> list[int]:
        """Encodes a text to token ids."""
        given = text_argument(text)
        return id_list("codegeex_tokenizer_encode", self, *given, int(special_tokens))

    def decode(self, ids: Iterable[int], invalid_utf8: InvalidUtf8 = InvalidUtf8.REPLACE) -> str:
        """Decodes token ids to text. Ids may end inside a character."""
        return text("codegeex_tokenizer_decode", self, *ids_argument(ids), int(invalid_utf8))

    def token_bytes(self, id: int) -> bytes:
        """The bytes of a token, which may end inside a character."""
        return octets("codegeex_tokenizer_token_bytes", self, unsigned(id, 32, "an id"))

    @property
    def vocab_size(self) -> int:
        """The vocabulary size: one more than the largest id."""
        return int(value("codegeex_tokenizer_vocab_size", self))

    @property
    def end_of_text(self) -> int:
        """The end-of-text id."""
        return int(value("codegeex_tokenizer_end_of_text", self))

    def decoder(self, invalid_utf8: InvalidUtf8 = InvalidUtf8.REPLACE) -> Decoder:
        """A decoder at the beginning of a text."""
        return Decoder(self, invalid_utf8)


class Decoder(Handle):
    """A streaming decoder: takes ids one at a time and returns text as soon as it is final.

    It serves one thread at a time; a concurrent call raises :class:`~codegeex.BusyError`.
    """

    _kind = "decoder"
    __slots__ = ()

    def __init__(
        self, tokenizer: Tokenizer, invalid_utf8: InvalidUtf8 = InvalidUtf8.REPLACE
    ) -> None:
        self._own(handle("codegeex_decoder_new", tokenizer, int(invalid_utf8)))

    def push(self, id: int) -> str:
        """Adds an id and returns the newly finalized text, which may be empty."""
        return text("codegeex_decoder_push", self, unsigned(id, 32, "an id"))

    @property
    def is_pending(self) -> bool:
        """Whether bytes of an incomplete character are held back."""
        return bool(value("codegeex_decoder_is_pending", self))

    def finish(self) -> str:
        """Ends the text. The decoder can then start another one."""
        return text("codegeex_decoder_finish", self)
