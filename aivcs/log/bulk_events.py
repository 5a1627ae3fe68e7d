"""Many events at once, from lines of JSON to what stands in a log, without a value for each.

A stream of a million events cannot afford an object, a parse and an encoding of its own for every
line. So a block of lines is parsed by one call of the C scanner, and each event is kept as the text
that its line in the log will have. What is not plainly right is left to those who look at one line
at a time and can say what is wrong with it.
"""

from __future__ import annotations

from aivcs.codec.json import encode_parsed, encode_trusted, parse, parse_all
from aivcs.errors import StorageError
from aivcs.model.record import check_text
from aivcs.model.run import RunEvent
from aivcs.model.timestamp import Timestamp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any


class BulkEvents:
    """Events without a seq that are known to be storable, as `RunLedger.append_events` takes them.

    Iterating gives the events; a ledger that keeps logs takes their `bodies` instead.

    Attributes:
        bodies: What stands between seq and hash in the line of each event: the members `kind`,
            `payload` and `timestamp`, as UTF-8.
    """

    __slots__ = ("bodies",)

    def __init__(self, bodies: list[bytes]) -> None:
        """Takes what `parse_events` made."""
        self.bodies = bodies

    def __len__(self) -> int:
        return len(self.bodies)

    def __iter__(self) -> Iterator[RunEvent]:
        for body in self.bodies:
            event = parse(f"{{{body.decode()}}}")
            yield RunEvent(event["kind"], event["payload"], timestamp=event["timestamp"])


def parse_events(
    lines: Sequence[bytes], limit: int, now: Timestamp | None = None
) -> BulkEvents | None:
    """Returns the events of some lines, `{"kind": …, "payload": …}` with an optional timestamp.

    Args:
        lines: The lines, none of them blank, without their newlines.
        limit: Bytes of one event's payload, at most.
        now: The timestamp of those that name none; by default, the present moment.

    Returns:
        The events; or None if a line is no such event, or is none that can be told at once to be
        one: it has a seq, say, or is very long.
    """
    moment = now or Timestamp.now()
    heads: dict[str, str] = {}
    bodies = []
    try:
        for event in parse_all(lines):
            kind = event.pop("kind")
            head = heads.get(kind)
            if head is None:
                check_text("kind", kind)
                head = heads[kind] = f'"kind":{encode_trusted(kind)},"payload":'
            payload = encode_parsed(event.pop("payload", _NOTHING))
            timestamp = Timestamp(event.pop("timestamp")) if event else moment
            if event:
                return None
            bodies.append(f'{head}{payload},"timestamp":"{timestamp}"'.encode())
    except (StorageError, KeyError, TypeError, AttributeError, ValueError):
        return None
    # Longer than the line it comes from an event can become, by the way numbers are written.
    return BulkEvents(bodies) if max(map(len, bodies), default=0) <= limit else None


_NOTHING: dict[str, Any] = {}
