"""Turns the output of an agent's program into events as it comes, by the readers of formats.

What is printed before the format is recognised, and what is in none, are lines of output as those
of any other command: no byte is lost.
"""

from __future__ import annotations

from aivcs.codec.json import encode_trusted
from aivcs.commands.run.large_payload import Fitted
from aivcs.formats import registry
from aivcs.formats.errors import FormatError
from aivcs.formats.model import Hint, Outcome, SessionEvent

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from aivcs.commands.run.output_lines import LineSplitter
    from aivcs.formats.masking import Masker
    from aivcs.formats.model import Item, Reader
    from aivcs.model.timestamp import Timestamp

AUTO = "auto"
"""The name that stands for the format that is recognised."""
_MAX_SNIFFED = 1 << 18
"""Bytes that wait, at most, for their format to be recognised."""
_MAX_NOISE = 64
"""Lines before the first one of a format, at most."""


class EventLines:
    """The output of a program on its way to events.

    Attributes:
        blobs: Contents that the events refer to, to be stored before them.
        format: The name of the format; None as long as it is not known.
        outcomes: How the sessions in the output went; known at the end.
    """

    def __init__(
        self,
        name: str,
        lines: LineSplitter,
        body_of: Callable[[str, str, Timestamp], bytes],
        limit: int,
        masker: Masker | None,
    ) -> None:
        """Begins before the first byte.

        Args:
            name: The format, or `AUTO`.
            lines: Cuts into lines what is in no format.
            body_of: Returns the body of a line of output as an event: payload, kind and time.
            limit: Bytes of an event's payload, at most.
            masker: What masks secrets; None for nothing.
        """
        self.blobs: list[bytes] = []
        self.format: str | None = None
        self.outcomes: list[Outcome] = []
        self._lines = lines
        self._body_of = body_of
        self._limit = limit
        self._masker = masker
        self._waiting: bytes | None = b""
        self._reader: Reader | None = None
        if name != AUTO:
            self._begin(registry.find_format(name))

    def feed(self, data: bytes, moment: Timestamp) -> list[bytes]:
        """Takes the next bytes; returns the bodies of the events that are complete.

        Args:
            data: The bytes.
            moment: When they came, for events without a time of their own.
        """
        if self._waiting is None:
            return self._read(data, moment)
        self._waiting += data
        return self._sniff(moment, is_end=False)

    def end(self, moment: Timestamp) -> list[bytes]:
        """Takes the end; returns the bodies of the last events."""
        bodies = self._sniff(moment, is_end=True) if self._waiting is not None else []
        if self._reader is not None:
            bodies += self._bodies(self._reader.close(final=True), moment)
        return bodies + self._plain(self._lines.end(), moment)

    def _begin(self, found: registry.Format) -> None:
        self.format = found.name
        self._reader = found.reader(Hint())
        self._waiting = None

    def _sniff(self, moment: Timestamp, *, is_end: bool) -> list[bytes]:
        """Looks for the first line of a format among those that wait."""
        waiting = self._waiting or b""
        lines = waiting.split(b"\n")
        place = 0
        for line in lines if is_end else lines[:-1]:
            if line.strip()[:1] in {b"{", b"["}:
                try:
                    found = registry.detect(waiting[place:])
                except FormatError:
                    pass
                else:
                    self._begin(found)
                    noise = self._plain(self._lines.feed(waiting[:place]), moment)
                    return noise + self._read(waiting[place:], moment)
            place += len(line) + 1
        if is_end or len(waiting) > _MAX_SNIFFED or len(lines) > _MAX_NOISE:
            self._waiting = None
            return self._plain(self._lines.feed(waiting), moment)
        return []

    def _read(self, data: bytes, moment: Timestamp) -> list[bytes]:
        if self._reader is None:
            return self._plain(self._lines.feed(data), moment)
        try:
            return self._bodies(self._reader.feed(data), moment)
        except FormatError:  # told twice in part, rather than lost
            self._reader = None
            return self._plain(self._lines.feed(data), moment)

    def _bodies(self, items: list[Item], moment: Timestamp) -> list[bytes]:
        bodies = []
        for item in items:
            if isinstance(item, Outcome):
                self.outcomes.append(item)
            elif isinstance(item, SessionEvent):
                fitted = Fitted(item.payload, self._limit, self._masker)
                self.blobs += fitted.blobs
                time = item.timestamp or moment
                bodies.append(self._body_of(fitted.encoded, item.kind, time))
        return bodies

    def _plain(self, payloads: list[dict[str, Any]], moment: Timestamp) -> list[bytes]:
        if self._masker is not None:
            for at, payload in enumerate(payloads):
                masked = payloads[at] = self._masker.mask(payload)
                if masked is not payload:
                    masked.pop("base64", None)  # of the bytes before masking
        return [self._body_of(encode_trusted(one), "output", moment) for one in payloads]
