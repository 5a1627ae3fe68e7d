"""Upstream's trace: a run as `RunTraceArtifact`, and its replay digest.

The replay digest is the SHA-256 of the compact JSON array of a run's events, each
{seq, kind, payload, timestamp}, as serde_json writes them: members of payloads in their order,
times with 0, 3, 6 or 9 digits after the point, doubles as Ryu prints them.

Source: https://github.com/stevedores-org/aivcs, crates/aivcs-core, trace_artifact.rs and replay.rs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aivcs.codec.json import encode_trusted
from aivcs.codec.sha256 import algorithm

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from hashlib import _Hash

    from aivcs.formats.write.run import Run
    from aivcs.model.run import RunEvent
    from aivcs.model.timestamp import Timestamp


def write(run: Run) -> Iterator[str]:
    """Yields the trace of a run in pieces, one line in all."""
    record = run.record
    header = {
        "run_id": record.run_id,
        "spec_digest": record.spec_digest,
        "agent_name": record.metadata.agent_name,
        "status": record.status.capitalize(),
        "created_at": time_text(record.created_at),
        "completed_at": record.completed_at and time_text(record.completed_at),
    }
    yield encode_trusted(header)[:-1] + ',"events":'
    digest, number = trace_hasher(), 0
    for piece in _array(run.events):
        digest.update(piece.encode())
        number += piece[-1] == "}"
        yield piece
    yield f',"replay_digest":"{digest.hexdigest()}","event_count":{number}}}\n'


def replay_digest(events: Iterable[RunEvent]) -> str:
    """Returns the replay digest of some events, in hexadecimal."""
    digest = trace_hasher()
    for piece in _array(events):
        digest.update(piece.encode())
    return digest.hexdigest()


def time_text(moment: Timestamp) -> str:
    """Returns a time with as few of 0, 3 and 6 digits after the point as say it exactly."""
    seconds, fraction = moment[:19], moment[20:26]
    if fraction == "000000":
        return f"{seconds}Z"
    return f"{seconds}.{fraction[:3] if fraction[3:] == '000' else fraction}Z"


def event_text(seq: int | None, kind: str, payload: Any, time: str) -> str:
    """Returns an event as an element of the array of which the replay digest is made."""
    return (
        f'{{"seq":{seq},"kind":{encode_trusted(kind)},"payload":{_text(payload)},'
        f'"timestamp":"{time}"}}'
    )


def trace_hasher() -> _Hash:
    """Returns the algorithm of the replay digest, before the first byte."""
    return algorithm(1 << 30)(b"")  # OpenSSL: a run may be long


def _array(events: Iterable[RunEvent]) -> Iterator[str]:
    """Yields the pieces of the array: one for each event, and the end."""
    before = "["
    for event in events:
        assert event.timestamp is not None
        yield before + event_text(event.seq, event.kind, event.payload, time_text(event.timestamp))
        before = ","
    yield "[]" if before == "[" else "]"


def _text(value: Any) -> str:
    """A value as JSON; doubles are spelled differently where Python writes an exponent."""
    if isinstance(value, float):
        return _double(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{encode_trusted(k)}:{_text(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_text, value)) + "]"
    return encode_trusted(value)


def _double(value: float) -> str:
    """The shortest digits of a double as Ryu lays them out: 1e16, 0.00001, 1e-6."""
    text = repr(value)
    mantissa, mark, exponent = text.partition("e")
    if not mark:
        return text
    power = int(exponent)
    if power == -5:  # Python writes exponents below -4, Ryu below -5
        sign = "-" if value < 0 else ""
        return f"{sign}0.0000{mantissa.lstrip('-').replace('.', '')}"
    return f"{mantissa}e{power}"
