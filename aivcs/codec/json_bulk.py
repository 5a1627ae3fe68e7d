"""Many JSON texts at once, parsed and brought into their stored form.

The answer is that of `aivcs.codec.json.compact` for each text, by the cheapest way that proves it:

- msgspec, the extra `fast`, where it is installed and there is enough to do. It differs from us in
  two things: it takes the last of two equal keys, and it spells some floats otherwise. So colons
  are counted (below), and each float is compared with its spelling here.
- One call of the interpreter's scanner for all texts, also where the first way refused a text, or
  proved nothing.

Both take the last of two equal keys, which would lose the first. So the colons are counted: a key
that was lost takes at least its own with it, and only an escape could make another one.
"""

from __future__ import annotations

from aivcs.codec.json import MAX_DEPTH, MAX_DIGITS, encode_tree, scan_plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    Compacted = tuple[list[Any], list[bytes]]

_MIN_BYTES = 1 << 20
"""Bytes of texts after which msgspec is loaded, which takes as long as it saves with as many."""
_BETWEEN = 736_291_548_017_365_929
"""The separator of texts that are parsed together; no other spelling is the same number."""
_SEPARATOR = b",\n%d,\n" % _BETWEEN
_SEPARATOR_ENCODED = b",%d," % _BETWEEN


class Compactor:
    """Parses many short JSON texts in UTF-8."""

    def __init__(self, min_bytes: int = _MIN_BYTES) -> None:
        """Begins without msgspec.

        Args:
            min_bytes: Bytes of texts after which msgspec is used, if it is installed.
        """
        self._left = min_bytes
        self._quick: Callable[[Sequence[bytes], bytes], Compacted] | None = None

    def compact_all(self, texts: Sequence[bytes]) -> Compacted:
        """Returns the value of each text, and its stored form, as `aivcs.codec.json.compact` does.

        Raises:
            ValueError: One of them is not acceptable JSON, or cannot be judged together with
                others: it may be long, deeply nested, or have the escape of a colon. `compact`
                judges each alone.
        """
        if not texts:
            return [], []
        longest = max(map(len, texts))
        if longest > 2 * MAX_DEPTH and any(
            text.count(b"[") + text.count(b"{") > MAX_DEPTH for text in texts
        ):
            raise ValueError(MAX_DEPTH)
        joined = _SEPARATOR.join(texts)
        if b"\\" in joined and (b"\\u003a" in joined or b"\\u003A" in joined):
            raise ValueError(joined)
        quick = self._quick_for(len(joined))
        if quick is not None:
            try:
                return quick(texts, joined)
            except ValueError:
                pass  # the scanner may prove what this did not
        if longest > MAX_DIGITS:
            raise ValueError(longest)
        return _by_scanner(texts, joined)

    def parse(self, text: bytes, *, max_depth: int = MAX_DEPTH) -> Any:
        """Returns the value of one JSON text, of any length, where msgspec proves it.

        Raises:
            ValueError: It is not acceptable JSON, or msgspec is not used or does not prove it.
        """
        quick = self._quick_for(len(text))
        if (
            quick is None
            or text.count(b"[") + text.count(b"{") > max_depth
            or (b"\\" in text and (b"\\u003a" in text or b"\\u003A" in text))
        ):
            raise ValueError(max_depth)
        return quick([text], text)[0][0]

    def _quick_for(self, size: int) -> Callable[[Sequence[bytes], bytes], Compacted] | None:
        """The function that uses msgspec, once there was enough to do."""
        if self._left >= 0:
            self._left -= size
            if self._left < 0:
                self._quick = _find_msgspec()
        return self._quick


def _by_scanner(texts: Sequence[bytes], joined: bytes) -> Compacted:
    """All texts as the elements of one array.

    Raises:
        ValueError: They are not acceptable, or not plainly so.
    """
    between = len(texts) - 1
    if joined.count(b"%d" % _BETWEEN) != between:
        raise ValueError(_BETWEEN)
    text = f"[{joined.decode()}]"
    try:
        values, end = scan_plain(text, 0)
    except Exception as error:
        raise ValueError from error
    # Every separator is a value of its own, so no value began in one text and ended in another;
    # and the number of values shows that each text is exactly one.
    if (
        end != len(text)
        or values[1::2].count(_BETWEEN) != between
        or len(values) != len(texts) + between
    ):
        raise ValueError(between)
    encoded = "".join(encode_tree(values, 0)).encode()
    parts = encoded[1:-1].split(_SEPARATOR_ENCODED)
    if encoded.count(b":") != joined.count(b":") or len(parts) != len(texts):
        raise ValueError(b":")
    return values[::2], parts


def _find_msgspec() -> Callable[[Sequence[bytes], bytes], Compacted] | None:
    """Returns the function that does it by msgspec; None where that is not installed."""
    try:
        import msgspec
    except ImportError:
        return None

    encode = msgspec.json.Encoder().encode

    def as_spelled(text: str) -> float:
        number = float(text)
        if encode(number) != repr(number).encode():
            raise ValueError(text)
        return number

    decode = msgspec.json.Decoder(float_hook=as_spelled).decode

    def by_msgspec(texts: Sequence[bytes], joined: bytes) -> Compacted:
        try:
            values = list(map(decode, texts))
            encoded = list(map(encode, values))
        except (msgspec.MsgspecError, RecursionError) as error:
            raise ValueError from error
        # Most writers put no spaces; what is the same has lost no key, and no escape either.
        if encoded != texts and b"\n".join(encoded).count(b":") != joined.count(b":"):
            raise ValueError(b":")
        return values, encoded

    return by_msgspec


_SHARED = Compactor()
compact_all, parse_quickly = _SHARED.compact_all, _SHARED.parse
"""`Compactor.compact_all` and `Compactor.parse`, for all callers in this process."""
