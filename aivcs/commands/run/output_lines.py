"""Turns the output of a command into payloads of events, line by line. No I/O.

The texts of a stream's payloads in order, each followed by a newline unless `newline` is false, are
the stream. Where a payload has `base64`, that is its exact bytes.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class LineSplitter:
    """Cuts a stream into payloads: one per line, several for a line that is too long."""

    __slots__ = ("_carry", "_limit", "_stream")

    def __init__(self, stream: str, limit: int) -> None:
        """Begins a stream.

        Args:
            stream: Its name.
            limit: The maximum size of a piece, in bytes; at least 4, so that a character fits.
        """
        self._stream = stream
        self._limit = limit
        self._carry = b""

    def feed(self, data: bytes) -> "list[dict[str, Any]]":
        """Takes the next bytes of the stream. Returns the payloads that are complete."""
        *lines, self._carry = (self._carry + data).split(b"\n")
        pieces: list[dict[str, Any]] = []
        for line in lines:
            if len(line) > self._limit:
                line = self._cut(line, pieces)
            pieces.append(payload_of(self._stream, line))
        if len(self._carry) > self._limit:
            self._carry = self._cut(self._carry, pieces)
        return pieces

    def end(self) -> "list[dict[str, Any]]":
        """Returns the rest as payloads: a last line without newline, or nothing."""
        carry, self._carry = self._carry, b""
        return [payload_of(self._stream, carry, newline=False)] if carry else []

    def _cut(self, line: bytes, pieces: "list[dict[str, Any]]") -> bytes:
        """Cuts parts off a line until the rest fits, and returns the rest."""
        while len(line) > self._limit:
            at = self._limit
            # Not within a character: up to three bytes 10xxxxxx follow its first byte.
            while at > self._limit - 3 and line[at] & 0xC0 == 0x80:
                at -= 1
            if line[at] & 0xC0 == 0x80:
                at = self._limit
            pieces.append(payload_of(self._stream, line[:at], newline=False))
            line = line[at:]
        return line


def payload_of(stream: str, data: bytes, *, newline: bool = True) -> "dict[str, Any]":
    """Returns the payload for a piece of a stream.

    `text` is for people: bytes that are not UTF-8 become U+FFFD, and `base64` has the exact bytes.

    `text` is what a person reads; what is no UTF-8 has U+FFFD in it, and its bytes in `base64`.
    """
    payload: dict[str, Any] = {"stream": stream}
    try:
        payload["text"] = data.decode()
    except UnicodeDecodeError:
        from binascii import b2a_base64

        payload["text"] = data.decode(errors="replace")
        payload["base64"] = b2a_base64(data, newline=False).decode()
    if not newline:
        payload["newline"] = False
    return payload
