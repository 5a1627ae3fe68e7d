"""Output of a command as payloads of events: its lines, and what stands for their bytes.

No I/O. The texts of a stream's pieces, in order, each with a newline behind it unless the piece
says otherwise, are the stream; where a piece has `base64`, that is its bytes.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class LineSplitter:
    """Cuts a stream into pieces: its lines, and of a line that is too long, parts."""

    __slots__ = ("_carry", "_limit", "_stream")

    def __init__(self, stream: str, limit: int) -> None:
        """Begins a stream.

        Args:
            stream: Its name.
            limit: Bytes of one piece, at most; 4 at least, so that a character fits.
        """
        self._stream = stream
        self._limit = limit
        self._carry = b""

    def feed(self, data: bytes) -> "list[dict[str, Any]]":
        """Takes what the stream goes on with; returns the pieces that are whole by now."""
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
        """Returns what is left: a last line without its newline, or nothing."""
        carry, self._carry = self._carry, b""
        return [payload_of(self._stream, carry, newline=False)] if carry else []

    def _cut(self, line: bytes, pieces: "list[dict[str, Any]]") -> bytes:
        """Cuts parts off a line until what is left is short enough, and returns that."""
        while len(line) > self._limit:
            at = self._limit
            # Not within a character: behind its first byte are up to three, which are 10xxxxxx.
            while at > self._limit - 3 and line[at] & 0xC0 == 0x80:
                at -= 1
            if line[at] & 0xC0 == 0x80:
                at = self._limit
            pieces.append(payload_of(self._stream, line[:at], newline=False))
            line = line[at:]
        return line


def payload_of(stream: str, data: bytes, *, newline: bool = True) -> "dict[str, Any]":
    """Returns the payload for a piece of a stream.

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
