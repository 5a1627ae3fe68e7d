"""`aivcs run search`: finds events and annotations of runs, newest run first.

A log is read twice at most: its bytes, to see whether anything in it can match, and only then its
lines, each checked. So what is found is proven, and a rare text costs little more than reading.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from aivcs.commands.run.annotated import Annotated
from aivcs.errors import RunNotFoundError, StorageError
from aivcs.log.run import read_event
from aivcs.model.run import RunEvent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from aivcs.model.digest import ContentDigest
    from aivcs.model.run import RunId, RunRecord
    from aivcs.repository import Repository
    from aivcs.search.query import Passage, Query

_BLOCK = 128 << 10
"""Bytes of lines that are looked through at once."""


class Match(NamedTuple):
    """An event or an annotation that answers a query.

    Attributes:
        record: Its run.
        event: The event; of an annotation, its kind, payload and time as one without a seq.
        passage: Where in it the match stands.
        annotation: The digest of the annotation; None for an event.
    """

    record: RunRecord
    event: RunEvent
    passage: Passage
    annotation: ContentDigest | None

    def to_json(self) -> dict[str, Any]:
        """Returns the match as a JSON value."""
        passage = self.passage
        members: dict[str, Any] = {
            "run_id": self.record.run_id,
            "agent_name": self.record.metadata.agent_name,
            "seq": self.event.seq,
            "kind": self.event.kind,
            "timestamp": self.event.timestamp,
            "pointer": passage.pointer,
            "passage": passage.text,
            "match": None if passage.begin is None else [passage.begin, passage.end],
        }
        if self.annotation is not None:
            members["annotation"] = self.annotation
        return members


def search(
    repo: Repository,
    records: Iterable[RunRecord],
    query: Query,
    *,
    one_per_run: bool = False,
    unreadable: Callable[[RunId, StorageError], None],
) -> Iterator[Match]:
    """Yields the matches in runs, in the order of the runs and, within one, of its log.

    Args:
        repo: The repository.
        records: The runs.
        query: What is asked.
        one_per_run: Whether the first match of a run is enough.
        unreadable: Called with each run that cannot be read to its end, and the error.
    """
    annotated = Annotated(repo)
    for record in records:
        try:
            for match in _matches(repo, record, query, annotated):
                yield match
                if one_per_run:
                    break
        except RunNotFoundError:
            continue  # gone since
        except StorageError as error:
            if error.is_store_away:
                raise
            unreadable(record.run_id, error)


def _matches(
    repo: Repository, record: RunRecord, query: Query, annotated: Annotated
) -> Iterator[Match]:
    name = f"run/{record.run_id}"
    if not query.can_skip or _may_match(repo, name, query):
        for line, _ in repo.store.logs.read(name):
            if not query.may_match(line):
                continue
            event = read_event(line)
            if event is not None and (passage := query.find(event)) is not None:
                yield Match(record, event, passage, None)
    for stored in annotated.of(record):
        value = stored.value
        event = RunEvent(value.kind, value.payload, timestamp=value.created_at)
        if (passage := query.find(event)) is not None:
            yield Match(record, event, passage, stored.digest)


def _may_match(repo: Repository, name: str, query: Query) -> bool:
    with repo.store.logs.look(name) as view:
        return view is not None and any(map(query.may_match, _joined(view.forth())))


def _joined(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Yields several lines as one: to look through them at once costs a fraction."""
    held: list[bytes] = []
    size = 0
    for line in lines:
        held.append(line)
        size += len(line)
        if size >= _BLOCK:
            yield b"".join(held)
            held, size = [], 0
    yield b"".join(held)
