"""Redacted lines: what stays of an event whose content was erased. No I/O.

    {"type":"redacted","seq":…,"kind":…,"timestamp":…[,"high":[…]],"hash":<kept>}

The line stands in the place of the event's, with the hash that the event's line had. So all other
lines prove themselves as before, and heads, evidence and signatures stay valid. Nothing proves the
redacted line itself, nor that its hash follows from the line before: that is in the record of the
erasure (`aivcs.log.erasure`).
"""

from aivcs.codec.json import encode_trusted
from aivcs.errors import ConflictError, IntegrityError
from aivcs.log import chain
from aivcs.model.digest import ContentDigest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from aivcs.model.erasure import StoredErasure

TYPE = "redacted"


def redacted_line(line: bytes) -> bytes:
    """Returns the redacted form of an event's line; both are without the newline.

    A redacted line is returned as it is.

    Raises:
        IntegrityError: The line is not that of an event.
    """
    entry = chain.members(line)
    kept = chain.hash_of(line)
    if entry["type"] == TYPE:
        return line
    try:
        if entry["type"] != "event" or kept is None:
            raise KeyError("type")
        stub = {
            "type": TYPE,
            "seq": entry["seq"],
            "kind": entry["kind"],
            "timestamp": entry["timestamp"],
        }
    except KeyError as error:
        raise IntegrityError.of("is not the line of an event") from error
    if "high" in entry:
        stub["high"] = entry["high"]
    return f'{encode_trusted(stub)[:-1]},"hash":"{kept}"}}'.encode()


def agreeing(records: "Sequence[StoredErasure]", before: str, line: bytes) -> "list[StoredErasure]":
    """Returns the records of a redacted line that agree with it, in order.

    Args:
        records: The records of erasures of a line of this number in its log.
        before: The hash of the line before.
        line: The redacted line, without its newline.
    """
    if not records:
        return []
    wanted = before, chain.hash_of(line), ContentDigest.from_bytes(line)
    found = []
    for stored in records:
        target = stored.value.target
        if (target.before, target.erased, target.stub) == wanted:  # type: ignore[union-attr]
            found.append(stored)
    return found


def replaced(
    name: str, lines: "Iterable[bytes]", stubs: "Mapping[int, bytes]"
) -> "Iterator[bytes]":
    """Yields the lines of a log with some replaced by their redacted forms.

    Args:
        name: The log, for messages.
        lines: All lines, with their newlines.
        stubs: The redacted lines by number, without their newlines.

    Raises:
        ConflictError: A line to be replaced has another hash than its stub, is the first or the
            last, or is not there: the log is not the one that the stubs were made for.
    """
    rest = dict(stubs)
    previous: bytes | None = None
    number = 0
    for number, line in enumerate(lines, 1):
        if previous is not None:
            yield previous
        stub = rest.pop(number, None)
        if stub is not None:
            if number == 1:
                raise not_redactable(name, number)
            line = replacement(name, number, line, stub)
        previous = line
    if rest or number in stubs:
        raise not_redactable(name, min(rest, default=number))
    if previous is not None:
        yield previous


def replacement(name: str, number: int, line: bytes, stub: bytes) -> bytes:
    """Returns what replaces a line of a log, with its newline.

    Args:
        name: The log, for messages.
        number: The number of the line.
        line: The line, with its newline.
        stub: Its redacted form, without the newline.

    Raises:
        ConflictError: The line has another hash than its stub.
    """
    if chain.hash_of(line.rstrip(b"\n")) != chain.hash_of(stub):
        raise not_redactable(name, number)
    return stub + b"\n"


def not_redactable(name: str, number: int) -> ConflictError:
    """Returns the error for a line that is not the one that its redacted form was made for."""
    return ConflictError(
        f"{name}: line {number} is not the one that was to be redacted; nothing was changed"
    )
