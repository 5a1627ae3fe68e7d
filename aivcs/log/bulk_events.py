"""Converts many lines of JSON to log lines at once, without an object for each event.

A stream of a million events cannot afford a parse, an object and an encoding for every line. So one
call of the C scanner parses a block of lines, and each event is kept as the text of its future line
in the log. A block with any unusual line is left to the caller, who goes through it line by line
and can explain what is wrong.
"""

from __future__ import annotations

from aivcs.codec.json import encode_trusted, parse
from aivcs.codec.json_bulk import compact_all
from aivcs.errors import StorageError
from aivcs.model.record import check_text
from aivcs.model.run import RunEvent
from aivcs.model.timestamp import Timestamp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any


_PIECE_LINES = 200
"""Lines that are parsed together: few enough to stay in the processor's cache."""


class BulkEvents:
    """Checked events without a seq, in encoded form, for `RunLedger.append_events`.

    Iterating gives the events; a ledger that keeps logs uses `bodies` instead.

    Attributes:
        bodies: The part of each event's line between seq and hash, in UTF-8: the members `kind`,
            `payload` and `timestamp`.
    """

    __slots__ = ("bodies",)

    def __init__(self, bodies: list[bytes]) -> None:
        """Takes the bodies that `parse_events` made."""
        self.bodies = bodies

    def __len__(self) -> int:
        return len(self.bodies)

    def __iter__(self) -> Iterator[RunEvent]:
        for body in self.bodies:
            event = parse(f"{{{body.decode()}}}")
            yield RunEvent(event["kind"], event["payload"], timestamp=event["timestamp"])


class EncodedEvent(RunEvent):
    """An event whose payload was encoded, and checked, before; a ledger uses its text as it is.

    Attributes:
        encoded: The payload as `aivcs.codec.json.encode` returns it.
    """

    __slots__ = ("encoded",)
    encoded: str

    def __init__(
        self, kind: str, payload: Any, encoded: str, *, seq: int, timestamp: Timestamp | None
    ) -> None:
        """Takes the text as it is; the kind is checked."""
        check_text("kind", kind)
        fill = object.__setattr__  # one by one: there are many events
        fill(self, "seq", seq)
        fill(self, "kind", kind)
        fill(self, "payload", payload)
        fill(self, "timestamp", timestamp)
        fill(self, "redacted", False)
        fill(self, "encoded", encoded)

    def __eq__(self, other: object) -> bool:
        """Compares the fields of an event; the text follows from them."""
        if not isinstance(other, RunEvent):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in RunEvent.__slots__)

    __hash__ = None  # type: ignore[assignment]  # payloads may be lists


def parse_events(
    lines: Sequence[bytes], limit: int, now: Timestamp | None = None
) -> BulkEvents | None:
    """Parses lines of the form `{"kind": …, "payload": …}` with an optional timestamp.

    Args:
        lines: The lines, none of them blank, without their newlines.
        limit: Bytes of one event's payload, at most.
        now: The timestamp of events without one; by default, the present time.

    Returns:
        The events; or None if any line is not such an event, has a seq, or is very long.
    """
    time = b',"timestamp":"%b"' % str(now or Timestamp.now()).encode()
    known = set()
    bodies = []
    try:
        for begin in range(0, len(lines), _PIECE_LINES):
            piece = lines[begin : begin + _PIECE_LINES]
            for event, encoded in zip(*compact_all(piece), strict=True):
                kind = event["kind"]
                if kind not in known:
                    check_text("kind", kind)
                    known.add(kind)
                if tuple(event) == _MEMBERS:
                    bodies.append(encoded[1:-1] + time)
                else:
                    bodies.append(_body(event, time))
    except (StorageError, KeyError, TypeError, AttributeError, ValueError):
        return None
    # An event can be longer than its source line, because numbers are rewritten.
    return BulkEvents(bodies) if max(map(len, bodies), default=0) <= limit else None


_MEMBERS = ("kind", "payload")
"""The members of most events, in the order of a log line."""


def _body(event: dict[str, Any], time: bytes) -> bytes:
    """Returns the body of an event with other members than most, or in another order.

    Raises:
        ValueError: It has a member that an event without a seq cannot have.
        StorageError: Its timestamp is not one.
    """
    if not event.keys() <= {*_MEMBERS, "timestamp"}:
        raise ValueError(event.keys())
    if "timestamp" in event:
        time = b',"timestamp":"%b"' % str(Timestamp(event["timestamp"])).encode()
    kind, payload = encode_trusted(event["kind"]), encode_trusted(event.get("payload", {}))
    return f'"kind":{kind},"payload":{payload}'.encode() + time
