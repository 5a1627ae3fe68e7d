"""The log of a run as aivcs stores it: a file below `runs/`, or `run export --format jsonl`.

Each line is checked against the line before it; one that breaks the chain is refused, and so is all
after it. The new run has the events in the order of the lines, and a chain of its own. `aivcs push`
and `aivcs pull` copy whole logs, which then have the same heads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aivcs.errors import SerializationError
from aivcs.formats.errors import FormatError
from aivcs.formats.model import CANCELLED, COMPLETED, FAILED, Hint, Reader
from aivcs.formats.records import MAX_RECORD, Record
from aivcs.formats.registry import Format, Head
from aivcs.formats.values import as_count, as_dict, as_text, as_time, parse_value, safe_kind
from aivcs.log import chain

if TYPE_CHECKING:
    from aivcs.formats.records import Decoder

_STATUS = {"COMPLETED": COMPLETED, "FAILED": FAILED, "CANCELLED": CANCELLED}


class _RawLines:
    """Gives the bytes of each line, of which the hash is made."""

    def __init__(self) -> None:
        self._carry = b""
        self._number = 1

    @property
    def pending(self) -> int:
        return len(self._carry)

    def feed(self, data: bytes) -> list[Record]:
        *lines, self._carry = (self._carry + data).split(b"\n")
        if len(self._carry) > MAX_RECORD:
            raise FormatError(f"line {self._number + len(lines)}: over {MAX_RECORD} bytes")
        records = [Record(number, "", line) for number, line in enumerate(lines, self._number)]
        self._number += len(lines)
        return [record for record in records if record.value.strip()]

    def close(self, *, final: bool) -> list[Record]:
        if not final or not self._carry.strip():
            return []
        line, self._carry = self._carry, b""
        return [Record(self._number, "", line)]


class RunLog(Reader):
    """Reads logs of runs."""

    format = "run-log"
    program = "aivcs"

    def __init__(self, hint: Hint = Hint()) -> None:  # noqa: B008 a constant
        """Begins before the first byte."""
        super().__init__(hint)
        self._session = ""
        self._hash = ""

    def decoder(self) -> Decoder:
        """Returns what gives each line as bytes."""
        return _RawLines()

    def take(self, record: Record) -> None:
        """Takes one line."""
        line: bytes = record.value
        is_first = line.startswith(b'{"type":"run"')
        link = chain.hash_of(line)
        if link is None and self._session and self._read_annotation(line):
            return
        if link is None or not chain.follows(line, "" if is_first else self._hash):
            raise FormatError(
                f"line {record.line}: its hash is not that of its content and the line before it: "
                "the log was changed"
            )
        self._hash = link
        try:
            value = as_dict(parse_value(line.decode()))
        except (SerializationError, UnicodeDecodeError) as error:
            raise FormatError(f"line {record.line}: {error}") from error
        kind = value.get("type")
        if is_first:
            self._begin(value, record)
        elif not self._session:
            raise FormatError(f"line {record.line}: the log of a run begins with its first line")
        elif kind == "event" and isinstance(value.get("kind"), str) and value["kind"]:
            payload = value.get("payload")
            shown = payload if isinstance(payload, dict) else {"value": payload}
            self.emit(
                self._session, safe_kind(value["kind"]), shown, as_time(value.get("timestamp"))
            )
        elif kind == "end":
            self._end(value)
        else:
            self.emit_raw(self._session, [kind], value)

    def _read_annotation(self, line: bytes) -> bool:
        """Keeps a remark on the run, which an export has after the log and outside its chain."""
        try:
            value = as_dict(parse_value(line.decode()))
        except (SerializationError, UnicodeDecodeError):
            return False
        if value.get("type") != "annotation":
            return False
        self.emit_raw(self._session, ["annotation"], value, is_known=True)
        return True

    def _begin(self, value: dict[str, Any], record: Record) -> None:
        metadata = as_dict(value.get("metadata"))
        name = as_text(value.get("run_id"))
        if name is None:
            raise FormatError(f"line {record.line}: the first line of the log names no run")
        tags = metadata.get("tags")
        self._session = self.open(
            name,
            agent=as_text(metadata.get("agent_name")),
            git_sha=as_text(metadata.get("git_sha")),
            started_at=as_time(value.get("created_at")),
            spec=as_text(value.get("spec_digest")),
            tags=tags if isinstance(tags, dict) else {"tags": tags},
        )

    def _end(self, value: dict[str, Any]) -> None:
        summary = as_dict(value.get("summary"))
        self.conclude(
            self._session, _STATUS.get(str(value.get("status"))), is_over=True,
            duration_ms=as_count(summary.get("duration_ms")),
            ended_at=as_time(value.get("completed_at")),
        )  # fmt: skip


def _detect(head: Head) -> bool:
    return head.root.get("type") == "run" and {"run_id", "spec_digest", "hash"} <= head.root.keys()


RUN_LOG = Format("run-log", "logs of runs, as aivcs stores and exports them", _detect, RunLog)
