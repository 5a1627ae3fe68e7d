"""`aivcs run export --format sqlite`: runs, releases, specs and blobs as tables of a SQLite file.

A table has what its objects have in JSON, one column each; structured values are JSON, for
SQLite's `->>`. Rows are inserted as they are read, so memory does not grow with the store.
"""

from __future__ import annotations

import os
import sqlite3
from datetime import UTC, datetime

from aivcs.codec.json import encode_trusted, parse
from aivcs.commands.run.export import resolve
from aivcs.errors import BackendError, NotFoundError, SerializationError, UsageError
from aivcs.formats.write.run import as_words, usage_of
from aivcs.model.timestamp import Timestamp
from aivcs.trace.exchanges import exchanges
from aivcs.trace.timeline import CALL, RESULT
from aivcs.util.writing import require_outside_stores

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    from aivcs.model.run import RunEvent, RunId
    from aivcs.repository import Repository

    Row = tuple[Any, ...]

_SCHEMA = """
CREATE TABLE runs (
  run_id TEXT PRIMARY KEY, agent_name TEXT, spec_digest TEXT, git_sha TEXT, tags TEXT,
  status TEXT, created_at TEXT, completed_at TEXT, duration_ms INTEGER, total_events INTEGER,
  success INTEGER, exit_code INTEGER, final_state_digest TEXT, head TEXT);
CREATE TABLE events (
  run_id TEXT, seq INTEGER, kind TEXT, timestamp TEXT, payload TEXT, model TEXT,
  input_tokens INTEGER, cached_tokens INTEGER, output_tokens INTEGER, cost_usd REAL,
  PRIMARY KEY (run_id, seq));
CREATE TABLE tool_calls (
  run_id TEXT, seq INTEGER, tool_name TEXT, tool_call_id TEXT, arguments TEXT, result_seq INTEGER,
  output TEXT, failed INTEGER, error TEXT, exit_code INTEGER, duration_ms REAL, timestamp TEXT,
  PRIMARY KEY (run_id, seq));
CREATE TABLE releases (
  name TEXT, seq INTEGER, action TEXT, spec_digest TEXT, version_label TEXT, promoted_by TEXT,
  notes TEXT, created_at TEXT, target_seq INTEGER, parent_seq INTEGER, is_live INTEGER,
  PRIMARY KEY (name, seq)) WITHOUT ROWID;
CREATE TABLE annotations (
  digest TEXT PRIMARY KEY, run_id TEXT, kind TEXT, payload TEXT, "by" TEXT, created_at TEXT,
  signature TEXT);
CREATE TABLE specs (digest TEXT PRIMARY KEY, size INTEGER, manifest TEXT, runs INTEGER);
CREATE TABLE blobs (digest TEXT PRIMARY KEY, size INTEGER, put_at TEXT);
"""
_INDEXES = """
CREATE INDEX runs_by_spec ON runs (spec_digest);
CREATE INDEX runs_by_agent ON runs (agent_name, created_at);
CREATE INDEX tool_calls_by_tool ON tool_calls (tool_name, failed);
CREATE INDEX events_by_kind ON events (kind);
"""
_MAX_MANIFEST = 1 << 20
"""Bytes of a blob that is looked at for a spec's manifest, at most."""


def export_sqlite(repo: Repository, runs: Iterable[str], path: str) -> int:
    """Writes runs, and all releases, specs and blobs, to a SQLite file; returns the number of runs.

    A file that is there is replaced when the new one is complete.

    Args:
        repo: The repository.
        runs: The runs, as for `Repository.resolve_run`; none are all.
        path: The file.

    Raises:
        RunNotFoundError: No run has this id.
        UsageError: The path is a folder, a device, a pipe, or in a store.
        BackendError: The file cannot be written.
        IntegrityError: Something that is read is damaged.
    """
    ids = resolve(repo, runs)
    require_outside_stores(path)
    if os.path.isdir(path):
        raise UsageError(f"{path!a} is a folder; name a file")
    if os.path.exists(path) and not os.path.isfile(path):
        # It would be replaced, /dev/null as well, and a database is not written from end to end.
        raise UsageError(f"{path!a} is a device or a pipe; name a file")
    target = os.path.realpath(path)
    temporary = f"{target}.{os.urandom(4).hex()}.aivcs-tmp"
    try:
        try:
            with _opened(temporary) as database:
                number = _fill(database, repo, ids)
            os.replace(temporary, target)
        finally:
            if os.path.lexists(temporary):
                os.unlink(temporary)
    except OSError as error:
        raise BackendError(f"cannot write {path!a}: {error.strerror}") from error
    except sqlite3.Error as error:
        raise BackendError(f"cannot write {path!a}: {error}") from error
    return number


class _opened:  # noqa: N801 reads as what it does
    """A block with a new database, which is closed at its end."""

    def __init__(self, path: str) -> None:
        self._path = path

    def __enter__(self) -> sqlite3.Connection:
        # Made here, so that a folder that is missing says so in the system's words.
        os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666))
        self._database = sqlite3.connect(self._path, isolation_level=None)
        # A crash loses the temporary file and nothing else.
        self._database.execute("PRAGMA journal_mode = OFF")
        self._database.execute("PRAGMA synchronous = OFF")
        return self._database

    def __exit__(self, *_: object) -> None:
        self._database.close()


def _fill(database: sqlite3.Connection, repo: Repository, ids: Iterable[RunId]) -> int:
    database.executescript(_SCHEMA)
    database.execute("BEGIN")
    number = 0
    for run_id in ids:
        number += 1
        _insert(database, "runs", [_run(repo, run_id)])
        _insert(database, "annotations", _annotations(repo, run_id))
        _insert(database, "events", _events(repo.runs.iter_events(run_id), run_id))
        _insert(database, "tool_calls", _calls(repo.runs.iter_events(run_id), run_id))
    for name in repo.releases.list_names():
        _insert(database, "releases", _releases(repo, name))
    _insert(database, "blobs", _blobs(repo))
    _insert(database, "specs", list(_specs(database, repo)))
    database.execute("COMMIT")
    database.executescript(_INDEXES)
    return number


def _insert(database: sqlite3.Connection, table: str, rows: Iterable[Row]) -> None:
    for row in rows:
        marks = ",".join("?" * len(row))
        database.execute(f"INSERT OR REPLACE INTO {table} VALUES ({marks})", row)  # noqa: S608


def _run(repo: Repository, run_id: RunId) -> Row:
    record, head = repo.runs.standing(run_id)
    summary, metadata = record.summary, record.metadata
    return (
        record.run_id, metadata.agent_name, record.spec_digest, metadata.git_sha,
        encode_trusted(metadata.tags), record.status, record.created_at, record.completed_at,
        *((None,) * 5 if summary is None else (
            summary.duration_ms, summary.total_events, int(summary.success), summary.exit_code,
            summary.final_state_digest,
        )),
        head.hash,
    )  # fmt: skip


def _events(events: Iterable[RunEvent], run_id: RunId) -> Iterator[Row]:
    for event in events:
        usage = usage_of(event)
        figures: Row = (None,) * 5
        if usage is not None:
            figures = (
                usage.model, usage.input_tokens, usage.cached_tokens, usage.output_tokens,
                usage.cost_usd,
            )  # fmt: skip
        payload = encode_trusted(event.payload)
        yield (run_id, event.seq, event.kind, event.timestamp, payload, *figures)


def _calls(events: Iterable[RunEvent], run_id: RunId) -> Iterator[Row]:
    for exchange in exchanges(events):
        reading, outcome = exchange.reading, exchange.outcome
        if reading.what not in {CALL, RESULT}:
            continue
        outcome = reading if reading.what == RESULT else outcome
        result_seq = exchange.result.seq if exchange.result is not None else None
        if result_seq is None and outcome is not None:
            result_seq = exchange.seq
        took, output = exchange.lasted(), None if outcome is None else outcome.output
        yield (
            run_id, exchange.seq, reading.tool, reading.call_id,
            encode_trusted(reading.arguments), result_seq,
            None if output is None else as_words(output),
            None if exchange.is_open and exchange.error is None else int(bool(exchange.error)),
            exchange.error, exchange.exit_code, None if took is None else took / 1000,
            exchange.event.timestamp,
        )  # fmt: skip


def _annotations(repo: Repository, run_id: RunId) -> Iterator[Row]:
    for each in repo.annotations.of_run(run_id):
        value = each.value
        yield (
            each.digest, run_id, value.kind, encode_trusted(value.payload), value.by,
            value.created_at, value.signature,
        )  # fmt: skip


def _releases(repo: Repository, name: str) -> Iterator[Row]:
    is_live = 1
    for record in repo.releases.iter_history(name):
        metadata = record.metadata
        yield (
            name, record.seq, record.action, record.spec_digest, metadata.version_label,
            metadata.promoted_by, metadata.notes, record.created_at, record.target_seq,
            record.parent_seq, is_live,
        )  # fmt: skip
        is_live = 0


def _blobs(repo: Repository) -> Iterator[Row]:
    for digest, size, put_at in repo.store.objects.stored():
        yield digest, size, Timestamp.from_datetime(datetime.fromtimestamp(put_at, UTC))


def _specs(database: sqlite3.Connection, repo: Repository) -> Iterator[Row]:
    """The specs of runs and releases, with the manifest of those that have one."""
    found = database.execute(
        "SELECT used.digest, blobs.size, sum(used.runs) FROM ("
        "SELECT spec_digest AS digest, 1 AS runs FROM runs "
        "UNION ALL SELECT spec_digest, 0 FROM releases) AS used "
        "LEFT JOIN blobs ON blobs.digest = used.digest GROUP BY used.digest ORDER BY used.digest"
    )
    for digest, size, runs in found:
        manifest = None
        if size is not None and size <= _MAX_MANIFEST:
            try:
                text = repo.blobs.get(digest).decode()
                manifest = text if isinstance(parse(text), dict) else None
            except (UnicodeDecodeError, SerializationError, NotFoundError):
                pass  # a spec may be any blob, and gone since
        yield digest, size, manifest, runs
