r"""Masks secrets in the text of JSON, and keeps the spelling of all else. No I/O.

A secret may be spelled in many ways (`\u00e4`, `\/`), and a text in JSON may be JSON again. So a
string literal is decoded, masked, and written anew only if it held a secret.
"""

from __future__ import annotations

import re
from json import JSONDecoder, dumps
from typing import TYPE_CHECKING

from aivcs.formats.masking import CREDENTIALS

if TYPE_CHECKING:
    from aivcs.formats.masking import Masker

# Possessive, and with or without its end: time is linear in a line, and nothing is kept of it.
_OPEN = r'"[^"\\\x00-\x1f]*+(?:\\.[^"\\\x00-\x1f]*+)*+'
_LITERAL = re.compile(rf'({_OPEN}("?+))(\s*+:)?+')
_JSON = re.compile(rf'(?:[\s\[\]{{}},:0-9.eE+-]++|true|false|null|{_OPEN}")*+')
_ESCAPE = re.compile(r"\\[u/\\]")
"""Begins what may spell a character in one of several ways, or be of JSON in a text of JSON."""
_decode = JSONDecoder().decode


class JsonMasker:
    """Masks secrets in a stream line by line; most lines are JSON, or a part of it.

    Attributes:
        is_cut: Whether a line was longer than the limit, so that its parts were masked.
    """

    def __init__(self, masker: Masker, limit: int = 1 << 16) -> None:
        """Begins a stream.

        Args:
            masker: Knows the secrets.
            limit: Bytes of a line, up to which it is masked as a whole.
        """
        self.is_cut = False
        self._masker = masker
        self._limit = limit
        self._carry = bytearray()
        self._is_credentials = False

    def feed(self, data: bytes) -> bytes:
        """Takes the next bytes; returns the lines that are complete, masked."""
        *lines, last = data.split(b"\n")
        masked = []
        for line in lines:
            self._carry += line + b"\n"
            masked.append(self.end())
        self._carry += last
        if len(self._carry) > self._limit:
            self.is_cut = True
            masked.append(self.end())
        return b"".join(masked)

    def end(self) -> bytes:
        """Returns the last line, masked."""
        line = self._carry.decode("utf-8", "surrogateescape")
        self._carry.clear()
        return self._mask_line(line).encode("utf-8", "surrogateescape")

    def _mask_line(self, line: str) -> str:
        if not (self._is_credentials or self._may_hold_secret(line)):
            return line
        masked = self._mask_literals(line)
        is_json = '"' in line and _JSON.fullmatch(line)
        return masked if is_json else self._masker.mask_text(masked)

    def _may_hold_secret(self, text: str) -> bool:
        return _ESCAPE.search(text) is not None or self._masker.may_hold_secret(text)

    def _mask_literals(self, text: str) -> str:
        pieces: list[str] = []
        done = 0
        for found in _LITERAL.finditer(text):
            literal, end, colon = found.groups()
            masked = self._mask_literal(literal, is_name=bool(colon)) if end else literal
            if masked is not literal:
                pieces += (text[done : found.start()], masked)
                done = found.end(1)
        return "".join((*pieces, text[done:])) if done else text

    def _mask_literal(self, literal: str, *, is_name: bool) -> str:
        text = literal[1:-1]
        if "\\" in text:
            try:
                text = _decode(literal)
            except ValueError:
                return self._masker.mask_text(literal)
        if is_name:  # what follows up to the next one is of this member
            self._is_credentials = text.endswith(CREDENTIALS)
        masked = text
        if '"' in text and self._may_hold_secret(text):
            masked = JsonMasker(self._masker)._mask_literals(text)
        masked = self._masker.mask_text(masked)
        if self._is_credentials and not is_name:
            masked = self._masker.mask_credentials(masked)
        if masked == text:
            return literal
        # An escape may be half a surrogate pair.
        return dumps(masked, ensure_ascii=literal.isascii() or "\\u" in literal)
