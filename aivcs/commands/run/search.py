"""`aivcs run search`: finds events and annotations of runs, newest run first.

A log is read twice at most: its bytes, to see whether anything in it can match, and only then its
lines, each checked. So what is found is proven, and a rare text costs little more than reading. An
index of texts, where the store keeps one, tells which logs need not be read at all.
"""

from __future__ import annotations

from codecs import getincrementaldecoder
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from aivcs.commands.run.annotated import Annotated
from aivcs.commands.run.list import list_
from aivcs.errors import InvalidDigestError, NotFoundError, RunNotFoundError, StorageError
from aivcs.log.run import read_event
from aivcs.model.digest import ContentDigest
from aivcs.model.run import RunEvent
from aivcs.store.sought import Sought

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from typing import BinaryIO

    from aivcs.model.run import RunId, RunRecord
    from aivcs.repository import Repository
    from aivcs.search.query import Passage, Query
    from aivcs.store.driver import Searched

_BLOCK = 128 << 10
"""Bytes of lines that are looked through at once."""
_PIECE = 1 << 20
"""Bytes of a blob that are read at once."""
_MANY = 1_000
"""Runs from which on a search keeps an index of texts by itself."""
_SECONDS = 10.0
"""The time that a search spends on that index by itself, at most."""


class Match(NamedTuple):
    """An event or an annotation that answers a query.

    Attributes:
        record: Its run.
        event: The event; of an annotation, its kind, payload and time as one without a seq.
        passage: Where in it the match stands.
        annotation: The digest of the annotation; None for an event.
        blob: The digest of the blob in which it stands; None if it stands in the payload.
    """

    record: RunRecord
    event: RunEvent
    passage: Passage
    annotation: ContentDigest | None
    blob: ContentDigest | None = None

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
        if self.blob is not None:
            members["blob"] = self.blob
        return members


def search(
    repo: Repository,
    query: Query,
    filters: Mapping[str, Any] | None = None,
    *,
    one_per_run: bool = False,
    unreadable: Callable[[RunId, StorageError], None],
    searched: Callable[[RunRecord], None] | None = None,
) -> Iterator[Match]:
    """Yields the matches in runs, newest run first and, within one, in the order of its log.

    Args:
        repo: The repository.
        query: What is asked.
        filters: Which runs to search, as the keyword arguments of `aivcs.commands.run.list.list_`.
        one_per_run: Whether the first match of a run is enough.
        unreadable: Called with each run that cannot be read to its end, and the error. A run that
            cannot match need not be read.
        searched: Called with each run before it is searched; what it raises ends the search.

    Raises:
        UsageError: A filter is not valid.
        InvalidNameError: The name is not valid for an agent.
    """
    annotated = Annotated(repo)
    ledger, is_scanned = repo.runs, False
    if query.needles.can_tell and hasattr(repo.store, "list_holding"):
        sought = Sought(
            query.needles.may_hold,
            query.needles.parts,
            annotated.run_ids(),
            uses_index=repo.store.settings.search_index != "never",
        )
        list_holding = repo.store.list_holding
        ledger = repo.runs_listed_by(lambda *given: list_holding(*given, sought))
        is_scanned = not sought.others
    records = list_(repo, runs=ledger, unreadable=unreadable, **(filters or {}))
    if searched is not None:
        records = _telling(records, searched)
    return _search(repo, records, query, annotated, one_per_run, unreadable, is_scanned=is_scanned)


def _telling(
    records: Iterable[RunRecord], searched: Callable[[RunRecord], None]
) -> Iterator[RunRecord]:
    for record in records:
        searched(record)
        yield record


def keep_index(repo: Repository, query: Query, progress: Callable[[int], None]) -> None:
    """Makes the index of texts that the next such search uses, or goes on with it; never fails.

    By default that takes place in a store with many runs, and takes a few seconds at most; the next
    search goes on where it ended.

    Args:
        repo: The repository.
        query: What was searched for.
        progress: Called with the bytes of each log that was read.
    """
    store = cast("Searched", repo.store)
    setting = repo.store.settings.search_index
    if not (query.needles.parts and hasattr(store, "index_texts")) or setting == "never":
        return
    try:
        if setting == "always" or store.has_more_runs(_MANY):
            store.index_texts(seconds=None if setting == "always" else _SECONDS, progress=progress)
    except StorageError:
        pass  # the search has been answered


def _search(
    repo: Repository,
    records: Iterable[RunRecord],
    query: Query,
    annotated: Annotated,
    one_per_run: bool,
    unreadable: Callable[[RunId, StorageError], None],
    *,
    is_scanned: bool,
) -> Iterator[Match]:
    for record in records:
        try:
            for match in _matches(repo, record, query, annotated, is_scanned=is_scanned):
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
    repo: Repository, record: RunRecord, query: Query, annotated: Annotated, *, is_scanned: bool
) -> Iterator[Match]:
    name = f"run/{record.run_id}"
    needles = query.needles
    if is_scanned or not needles.can_tell or _may_match(repo, name, query):
        for line, _ in repo.store.logs.read(name):
            if not needles.may_hold(line):
                continue
            event = read_event(line)
            if event is not None and (passage := query.find(event)) is not None:
                yield Match(record, event, passage, None)
            elif event is not None and query.blobs:
                yield from _in_blobs(repo, record, query, event)
    for stored in annotated.of(record):
        value = stored.value
        event = RunEvent(value.kind, value.payload, timestamp=value.created_at)
        if (passage := query.find(event)) is not None:
            yield Match(record, event, passage, stored.digest)


def _in_blobs(
    repo: Repository, record: RunRecord, query: Query, event: RunEvent
) -> Iterator[Match]:
    """Yields a match for each blob of an event that has one; what is no digest, or gone, has none.

    Raises:
        IntegrityError: A blob is damaged.
    """
    for pointer, text in query.blobs_of(event):
        try:
            digest = ContentDigest(text)
            with repo.blobs.open(digest) as stream:
                passage = query.find_in(_decoded(stream), pointer)
                while stream.read(_PIECE):
                    pass  # the last read proves the blob
        except (InvalidDigestError, NotFoundError):
            continue
        if passage is not None:
            yield Match(record, event, passage, None, digest)


def _decoded(stream: BinaryIO) -> Iterator[str]:
    """Yields a blob as text; bytes that are not UTF-8 become a question mark each."""
    decoder = getincrementaldecoder("utf-8")("replace")
    while data := stream.read(_PIECE):
        yield decoder.decode(data)
    yield decoder.decode(b"", True)


def _may_match(repo: Repository, name: str, query: Query) -> bool:
    with repo.store.logs.look(name) as view:
        return view is not None and any(map(query.needles.may_hold, _joined(view.forth())))


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
