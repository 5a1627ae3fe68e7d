"""The digest of a content: 64 hexadecimal characters, checked. No I/O."""

from aivcs import errors
from aivcs.codec.sha256 import hex_digest

_HEX = frozenset("0123456789abcdef")


class ContentDigest(str):
    """The SHA-256 of a content, as 64 lower-case hexadecimal characters.

    Raises:
        InvalidDigestError: The text is not 64 hexadecimal characters (upper case is lowered).
    """

    __slots__ = ()

    def __new__(cls, text: str) -> "ContentDigest":
        """Checks `text` and lowers it."""
        if type(text) is cls:
            return text
        if not isinstance(text, str):
            raise errors.InvalidDigestError(repr(text))
        lowered = text.lower() if text.isascii() else text
        if len(lowered) != 64 or not is_hex(lowered):
            raise errors.InvalidDigestError(text)
        return str.__new__(cls, lowered)

    @classmethod
    def from_bytes(cls, data: bytes) -> "ContentDigest":
        """Returns the digest of a content."""
        return str.__new__(cls, hex_digest(data))

    @property
    def short(self) -> str:
        """The first 12 characters, for people."""
        return self[:12]

    def __str__(self) -> str:
        """The digest as a plain string."""
        return self[:]

    def __repr__(self) -> str:
        """Names the type, for debugging."""
        return f"ContentDigest({self[:]!r})"


def is_hex(text: str) -> bool:
    """Tells whether a text has lower-case hexadecimal digits only; so has an empty one."""
    return _HEX.issuperset(text)
