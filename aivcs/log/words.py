"""The words of a log, by which an index tells which logs can hold a text. No I/O.

A *word* is a run of letters and digits, and of anything beyond ASCII, in lower case as far as ASCII
goes. If a payload has a text in it, then each word of that text is a part of a word of the log,
whatever JSON did with the characters between. The reverse does not hold: an index of words only
rules logs out.
"""

import re

from aivcs.codec.json import parse
from aivcs.errors import SerializationError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

VERSION = 2
"""The version of these rules; words of another version cannot be compared."""
MIN_PART = 3
"""Characters of a part that is looked up, at least; a shorter one rules little out."""
_MAX_PART = 200
"""Characters of a part that is looked up, at most; of a longer one, the beginning."""
_MAX_PARTS = 8
"""Parts looked up for one text, at most; more rule out little more."""
_MAX_WORD = 1000
"""Characters of a word, at most: a longer one makes several, which share `_MAX_PART` each."""
_FOLD = bytes(
    byte + 32 if 65 <= byte <= 90 else byte if byte > 127 or chr(byte).isalnum() else 32
    for byte in range(256)
)
_EQUAL = {"\u0130": "i", "\u0131": "i", "\u017f": "s", "\u212a": "k"}
"""Characters that Python takes for an ASCII letter where case is ignored."""
_EQUAL_BYTES = [(one.encode(), other.encode()) for one, other in _EQUAL.items()]
_PAYLOAD, _TIMESTAMP = b',"payload":', b',"timestamp":'
_AFTER_TIMESTAMP = len(_TIMESTAMP) + 1 + 27
"""Bytes from the comma before a timestamp to the quote that ends it."""
_other_escape = re.compile(rb"\\u(?!00[01])").search
"""Finds an escape that aivcs does not write, or a backslash before a u."""


def words_of(log: bytes) -> str:
    """Returns the distinct words of the payloads of a log's events, with spaces between.

    Of a word of more than 1,000 characters there are pieces, in which each 200 stand together.

    What stands around a payload is left out where the line is as aivcs writes it.

    Args:
        log: Whole lines.

    Raises:
        SerializationError: It cannot be read.
    """
    parts: list[bytes] = []
    for line in log.split(b"\n"):
        if line.startswith(b'{"type":"event"'):
            begin, end = line.find(_PAYLOAD), line.rfind(_TIMESTAMP)
            is_ours = line.startswith((b'","hash":"', b'","high":['), end + _AFTER_TIMESTAMP)
            parts.append(line[begin:end] if 0 < begin < end and is_ours else line)
        elif not line.startswith((b'{"type":"run"', b'{"type":"end"')):
            parts.append(line)
    text = b"\n".join(parts)
    if _other_escape(log):
        text = b"\n".join(_respelled(line) for line in log.split(b"\n") if line)
    found = set(text.translate(_FOLD).split())
    is_long = len(max(found, key=len, default=b"")) > _MAX_WORD
    try:
        folded = _without_case(b" ".join(found)).decode()
    except UnicodeDecodeError as error:
        raise SerializationError(f"a line is not UTF-8: {error}") from error
    return " ".join(_pieces(folded.split(" "))) if is_long else folded


def parts_of(text: str, *, ignore_case: bool = False) -> list[str]:
    """Returns parts of words that a log has if it holds a text, the longest first.

    None of them means that words tell nothing about the text.

    Args:
        text: What is looked for.
        ignore_case: Whether upper and lower case are the same.
    """
    if ignore_case:  # beyond ASCII, letters are equal by rules that differ
        text = re.sub(r"[^\x00-\x7f]", lambda found: _EQUAL.get(found[0], " "), text)
    folded = _without_case(text.encode(errors="surrogatepass").translate(_FOLD))
    words = folded.decode(errors="surrogatepass").split(" ")
    parts = {word[:_MAX_PART] for word in words if len(word) >= MIN_PART}
    return sorted(parts, key=lambda part: (-len(part), part))[:_MAX_PARTS]


def _pieces(words: "Iterable[str]") -> "Iterator[str]":
    for word in words:
        for begin in range(0, max(len(word) - _MAX_PART, 1), _MAX_WORD - _MAX_PART):
            yield word[begin : begin + _MAX_WORD]


def _without_case(folded: bytes) -> bytes:
    if not folded.isascii():
        for one, other in _EQUAL_BYTES:
            folded = folded.replace(one, other)
    return folded


def _respelled(line: bytes) -> bytes:
    """Returns all texts of a line, whatever escapes it has, as bytes."""
    waiting: list[Any] = [parse(line.decode(errors="strict"))]
    texts: list[str] = []
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            texts.append(value)
        elif isinstance(value, dict):
            texts += value
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
    return "\n".join(texts).encode(errors="surrogatepass")
