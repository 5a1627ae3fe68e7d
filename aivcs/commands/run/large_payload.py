"""Fits payloads into events: long texts become blobs, `{"$blob": DIGEST}` in their place."""

from __future__ import annotations

from aivcs.codec.json import encode, encode_trusted
from aivcs.errors import SerializationError
from aivcs.model.digest import ContentDigest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from aivcs.formats.masking import Masker

_MIN_TEXT = 1024
"""Characters of a text that is worth a blob, at least."""


class Fitted:
    """A payload that fits into an event.

    Attributes:
        payload: The payload.
        encoded: The payload as it is stored.
        size: The number of its characters, or of its bytes if it may be too long.
        blobs: The contents that it refers to, to be stored before it.
    """

    __slots__ = ("blobs", "encoded", "payload", "size")

    def __init__(
        self, payload: Any, limit: int, masker: Masker | None = None, *, is_trusted: bool = False
    ) -> None:
        """Masks secrets, and replaces texts, the longest first, until no more than a limit is left.

        The same payload always gives the same result.

        Args:
            payload: Any JSON value.
            limit: Bytes of the payload as stored, at most.
            masker: What masks secrets; None for nothing.
            is_trusted: Whether a reader of aivcs made it, so that it is a JSON value.
        """
        self.blobs: list[bytes] = []
        self.payload = payload
        self._encode(is_trusted=is_trusted)
        if masker is not None and not masker.is_clean(self.encoded):
            masked = masker.mask(self.payload)
            if masked is not self.payload:
                self.payload = masked
                self._encode(is_trusted=is_trusted)
        self.size = len(self.encoded)
        if self.size > limit // 4:
            self.size = len(self.encoded.encode())
            if self.size > limit:
                self._shrink(limit)

    def _encode(self, *, is_trusted: bool) -> None:
        try:
            self.encoded = encode_trusted(self.payload) if is_trusted else encode(self.payload)
        except SerializationError as error:  # a format of somebody else's gave it
            self.payload = {"unstorable": str(error)}
            self.encoded = encode(self.payload)

    def _shrink(self, limit: int) -> None:
        box = {"": _copy(self.payload)}
        places = sorted(_texts(box), key=lambda place: -len(place[0][place[1]]))
        for holder, key in places:
            holder[key] = self._blob(holder[key].encode())
            self.payload = box[""]
            self.encoded = encode(self.payload)
            self.size = len(self.encoded.encode())
            if self.size <= limit:
                return
        # What is large is not a text: many numbers, or many short texts.
        self.payload = {"value": self._blob(encode(box[""]).encode())}
        self.encoded = encode(self.payload)
        self.size = len(self.encoded)

    def _blob(self, data: bytes) -> dict[str, Any]:
        self.blobs.append(data)
        return {"$blob": ContentDigest.from_bytes(data)}


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _copy(member) for name, member in value.items()}
    if isinstance(value, list):
        return list(map(_copy, value))
    return value


def _texts(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yields holder and key of each text that is worth a blob."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, member in items:
        if isinstance(member, str):
            if len(member) >= _MIN_TEXT:
                yield value, key
        elif isinstance(member, (dict, list)):
            yield from _texts(member)
