"""The words of a log, by which an index tells which logs can hold a text. No I/O.

A *word* is a run of bytes without separators (spaces, quotes, brackets and the like), in lower case
as far as ASCII goes. If a payload has a text in it, then each word of that text stands in a word of
the log, whatever JSON did with the characters between; so each three characters of the one are
three of the other. The reverse does not hold: an index of words only rules logs out.
"""

import re

from aivcs.codec.json import parse
from aivcs.errors import SerializationError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

VERSION = 1
"""The version of these rules; words of another version cannot be compared."""
GRAM = 3
"""Characters that are looked up together; a shorter word rules nothing out."""
_MAX_GRAMS = 24
"""Groups of characters looked up for one text, at most; more rule out little more."""
_SEPARATORS = bytes(range(33)) + b"\"'`\\/()[]{}<>,;:=\x7f"
_FOLD = bytes(
    32 if byte in _SEPARATORS else byte + 32 if 65 <= byte <= 90 else byte for byte in range(256)
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
    found = b" ".join(set(text.translate(_FOLD).split()))
    try:
        return _without_case(found).decode()
    except UnicodeDecodeError as error:
        raise SerializationError(f"a line is not UTF-8: {error}") from error


def grams_of(text: str, *, ignore_case: bool = False) -> list[str]:
    """Returns groups of characters that the words of a log have if it holds a text.

    None of them means that words tell nothing about the text.

    Args:
        text: What is looked for.
        ignore_case: Whether upper and lower case are the same.
    """
    if ignore_case:  # beyond ASCII, letters are equal by rules that differ
        text = re.sub(r"[^\x00-\x7f]", lambda found: _EQUAL.get(found[0], " "), text)
    folded = _without_case(text.encode(errors="surrogatepass").translate(_FOLD))
    grams = dict.fromkeys(
        word[at : at + GRAM]
        for word in folded.decode(errors="surrogatepass").split(" ")
        for at in range(len(word) - GRAM + 1)
    )
    if len(grams) <= _MAX_GRAMS:
        return list(grams)
    all_of_them = list(grams)
    return [all_of_them[at * len(grams) // _MAX_GRAMS] for at in range(_MAX_GRAMS)]


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
