"""Lists of runs from the projection of their first and last lines: a query, not a log each.

A run that the projection lacks is read from its log. Every row that the server finds is judged once
more by the filter itself, so a list equals that of `aivcs.store.listing`.
"""

from __future__ import annotations

from heapq import merge
from itertools import islice
from typing import TYPE_CHECKING

from aivcs.errors import IntegrityError
from aivcs.log.run import read_record
from aivcs.log.run_filter import age, outcome_of
from aivcs.model.run import RunStatus
from aivcs.store.listing import Listing, no_runs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from aivcs.backends.postgres.session import Session
    from aivcs.log.run_filter import Outcome, RunFilter
    from aivcs.model.run import RunRecord
    from aivcs.store.contracts import RunLedger
    from aivcs.store.listing import Unreadable

    Rows = list[tuple[Any, ...]]

_ROWS = 2000
"""Rows to read at once."""


class PostgresRuns:
    """The `RunIndex`."""

    def __init__(self, session: Session, ledger: RunLedger, unreadable: Unreadable) -> None:
        """Takes the session, the ledger for runs that the projection lacks, and who is told."""
        self._session = session
        self._listing = Listing(ledger, unreadable)

    def newest(self, run_filter: RunFilter, limit: int | None) -> Iterator[RunRecord]:
        """As `RunIndex.newest`; one round trip for each page."""
        conditions, values = conditions_of(run_filter)
        unlisted, rows = self._first_page(conditions, values, limit)
        found = self._found(run_filter, rows, conditions, values, limit)
        missed = filter(run_filter.fits, self._read_logs(unlisted))
        both = merge(found, sorted(missed, key=age, reverse=True), key=age, reverse=True)
        return islice(both, limit)

    def outcomes(self, run_filter: RunFilter) -> Iterator[Outcome]:
        """As `RunIndex.outcomes`."""
        return map(outcome_of, self.newest(run_filter, None))

    def count(self) -> dict[RunStatus, int]:
        """As `RunIndex.count`."""
        counts = no_runs()
        for status, count in self._session.read(
            "SELECT status, count(*) FROM {s}.runs GROUP BY status"
        ):
            counts[RunStatus(status)] += count
        rows = self._session.read("SELECT name FROM {s}.logs WHERE NOT listed")
        for record in self._read_logs([name for (name,) in rows]):
            counts[record.status] += 1
        return counts

    def _first_page(
        self, conditions: list[str], values: list[object], limit: int | None
    ) -> tuple[list[str], Rows]:
        """The logs that the projection lacks, and the first rows of it."""
        rows = self._session.read(
            "SELECT NULL, name, NULL, NULL FROM {s}.logs WHERE NOT listed UNION ALL "
            f"({_select(conditions, _size(limit))})",
            *values,
        )
        unlisted = [name for created_at, name, *_ in rows if created_at is None]
        return unlisted, [row for row in rows if row[0] is not None]

    def _found(
        self,
        run_filter: RunFilter,
        rows: Rows,
        conditions: list[str],
        values: list[object],
        limit: int | None,
    ) -> Iterator[RunRecord]:
        """The matching runs of the projection, newest first."""
        size = _size(limit)
        while True:
            for _, run_id, first, last in rows:
                yield from filter(run_filter.fits, self._read(run_id, first, last))
            if len(rows) < size:
                return
            size = _ROWS
            behind = [*conditions, "(created_at, run_id) < (%s, %s)"]
            rows = self._session.read(_select(behind, size), *values, *rows[-1][:2])

    def _read(self, run_id: str, first: bytes, last: bytes) -> Iterator[RunRecord]:
        try:
            yield read_record(first[:-1], last[:-1], run_id)
        except IntegrityError:
            yield from self._listing.get(run_id)  # the log decides

    def _read_logs(self, names: list[str]) -> Iterator[RunRecord]:
        for name in names:
            yield from self._listing.get(name.removeprefix("run/"))


def _size(limit: int | None) -> int:
    return _ROWS if limit is None else min(_ROWS, limit)


def _select(conditions: list[str], size: int) -> str:
    where = f"WHERE {' AND '.join(conditions)} " if conditions else ""
    return (
        f"SELECT created_at, run_id, first, coalesce(final, first) FROM {{s}}.runs {where}"
        f"ORDER BY created_at DESC, run_id DESC LIMIT {size}"
    )


def conditions_of(run_filter: RunFilter) -> tuple[list[str], list[object]]:
    """Returns what SQL can say of a filter: conditions that every matching run meets."""
    conditions: list[str] = []
    values: list[object] = []
    for column, value in (
        ("agent = %s", run_filter.agent_name),
        ("spec = %s", run_filter.spec_digest),
        ("status = %s", run_filter.status),
        ("created_at >= %s", run_filter.since),
    ):
        if value is not None:
            conditions.append(column)
            values.append(str(value))
    if run_filter.before is not None:
        conditions.append("(created_at, run_id) < (%s, %s)")
        values += run_filter.before
    texts = {key: value for key, value in run_filter.tags.items() if is_plain(key, value)}
    if texts:
        from aivcs.codec.json import encode

        conditions.append("(tags IS NULL OR tags @> %s::jsonb)")
        values.append(encode(texts))
    return conditions, values


def is_plain(key: str, value: object) -> bool:
    """Tells whether jsonb compares a tag as JSON does here; numbers may differ in precision."""
    return "\0" not in key and isinstance(value, str) and "\0" not in value
