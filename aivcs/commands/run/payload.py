"""Payloads from the command line: one JSON value, or words that make an object."""

from aivcs.codec.json import encode_trusted, parse
from aivcs.errors import SerializationError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

_FIRST_KEY_CHARS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_")
_KEY_CHARS = _FIRST_KEY_CHARS | frozenset("0123456789.-")


def parse_payload(words: "Sequence[str]") -> "Any":
    """Returns the payload that words of the command line spell.

    A single word that is not `key=text` or `key:=json` is a JSON value. Words of these forms make
    an object. No word makes an empty object.

    One word that is no `key=text` is a JSON value; several words, or one, of the form `key=text` or
    `key:=json` make an object; no word makes an empty one.

    Raises:
        UsageError: A word has neither form; the message names it.
    """
    for word in words:
        if word.startswith("--") and word[2:3].isalpha():
            raise UsageError(
                f"{word[:60]!a} comes after RUN, where nothing is an option: put it before RUN"
            )
    if len(words) == 1 and split_word(words[0]) is None:
        return parse_json(words[0], "PAYLOAD", _suggestion(words[0]))
    payload: dict[str, Any] = {}
    for word in words:
        pair = split_word(word)
        if pair is None:
            raise UsageError(
                f"{word[:60]!a} is not key=text or key:=json; "
                "give one JSON value, or words of that form"
            )
        add_member(payload, *pair)
    return payload


def split_word(word: str) -> "tuple[str, Any] | None":
    """Returns key and value of a word `key=text` or `key:=json`; None for another form.

    Raises:
        UsageError: The text after `:=` is not JSON.
        SerializationError: The text after `=` is not UTF-8.
    """
    key, mark, text = word.partition("=")
    if not mark:
        return None
    is_json = key.endswith(":")
    if is_json:
        key = key[:-1]
    if not key or key[0] not in _FIRST_KEY_CHARS or not _KEY_CHARS.issuperset(key):
        return None
    if is_json:
        return key, parse_json(text, key, f"; for text write {key}=…")
    if not text.isascii():
        encode_trusted(text)  # before anything is stored for nothing
    return key, text


def split_tag(word: str) -> "tuple[str, Any]":
    """Returns key and value of a tag from the command line.

    Raises:
        UsageError: The word has another form.
    """
    pair = split_word(word)
    if pair is None:
        raise UsageError(f"--tag {word[:60]!a}: KEY=TEXT or KEY:=JSON is needed")
    return pair


def split_assignment(option: str, word: str) -> "tuple[str, str]":
    """Returns key and text of an option's `KEY=PATH`.

    Raises:
        UsageError: The word has another form.
    """
    key, mark, text = word.partition("=")
    if (
        not mark
        or not key
        or key[0] not in _FIRST_KEY_CHARS
        or not _KEY_CHARS.issuperset(key)
        or not text
    ):
        raise UsageError(
            f"{option} {word[:60]!a}: KEY=PATH is needed, the key made of letters, digits, "
            "'_', '.' and '-'"
        )
    return key, text


def add_member(payload: "dict[str, Any]", key: str, value: "Any") -> None:
    """Adds a member to a payload.

    Raises:
        UsageError: The payload has this key already.
    """
    if key in payload:
        raise UsageError(f"the key {key} is given twice")
    payload[key] = value


def _suggestion(word: str) -> str:
    if word[:1] in {"{", "["}:
        return """; quote it for the shell: '{"key": …}'"""
    return "; write key=text or key:=json"


def parse_json(text: str, what: str, way_out: str = "") -> "Any":
    """Returns the value of a JSON text from the command line.

    Args:
        text: The JSON.
        what: A name of the text, for the message.
        way_out: The end of the message: how to fix it.

    Raises:
        UsageError: The text is not acceptable JSON; the message says where and why.
    """
    try:
        value = parse(text)
        encode_trusted(
            value
        )  # parsing accepts half a surrogate pair and numbers that are too great
    except SerializationError as error:
        from aivcs.codec.json_errors import find_fault

        raise UsageError(f"{what} is not JSON: {find_fault(text) or error}{way_out}") from error
    return value
