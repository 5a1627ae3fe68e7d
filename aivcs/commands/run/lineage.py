"""Where runs come from: parents, and the runs that others go on from.

Both are tags of the run that was started later, and so stand in its first line, which nothing
changes: `parent` is the id of the run inside which it was started; `from` says at which event of
which run it began, with the hash of that event's line, or of the last line if none was named.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from aivcs.errors import NotFoundError, RunNotFoundError, StorageError, UsageError
from aivcs.log import chain
from aivcs.log.run import read_event
from aivcs.model.record import parse_seq

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from aivcs.model.run import RunId, RunRecord
    from aivcs.repository import Repository

PARENT, FROM = "parent", "from"


class Origin(NamedTuple):
    """The run that another one comes from.

    Attributes:
        run_id: Its id.
        seq: The event after which the other one goes on; None for a parent.
    """

    run_id: str
    seq: int | None


class Node(NamedTuple):
    """A run in a tree.

    Attributes:
        record: The run.
        depth: How far below the first one it is.
        origin: Where it comes from; None if that is not known.
        is_last: For each level above and its own, whether it is the last of its siblings.
    """

    record: RunRecord
    depth: int
    origin: Origin | None
    is_last: tuple[bool, ...]

    def to_json(self) -> dict[str, Any]:
        """Returns the run in JSON with `depth`, and `origin` where it is known."""
        members = {**self.record.to_json(), "depth": self.depth}
        if self.origin is not None:
            members["origin"] = self.origin._asdict()
        return members


def origin_of(record: RunRecord) -> Origin | None:
    """Returns where a run comes from, by its tags; None if they do not say."""
    tags = record.metadata.tags
    if not isinstance(tags, dict):
        return None
    begun = tags.get(FROM)
    if isinstance(begun, dict) and isinstance(begun.get("run_id"), str):
        seq = begun.get("seq")
        return Origin(begun["run_id"], seq if type(seq) is int else None)
    parent = tags.get(PARENT)
    return Origin(parent, None) if isinstance(parent, str) and parent else None


def lineage_tags(
    repo: Repository,
    *,
    parent: str | None,
    start: str | None,
    inside: str | None,
    relatives: Callable[[str], Repository] | None = None,
) -> dict[str, Any]:
    """Returns the tags of a new run that say where it comes from.

    Args:
        repo: The repository.
        parent: The run that it belongs to, as for `Repository.resolve_run`.
        start: The run that it goes on from, RUN or RUN@SEQ; without SEQ, from its last event.
        inside: The run of the `run exec` around, if there is one; another store may have it.
        relatives: Returns the repository that has a run; None: all are in `repo`.

    Raises:
        RunNotFoundError: No run has this id.
        NotFoundError: The run has no such event.
        IntegrityError: The log of the run that it goes on from is damaged.
    """
    tags: dict[str, Any] = {}
    find = relatives or (lambda _: repo)
    if parent is not None:
        repo = find(parent)
        tags[PARENT] = repo.runs.get_run(repo.resolve_run(parent)).run_id
    elif inside:
        try:
            tags[PARENT] = find(inside).runs.get_run(inside).run_id
        except StorageError:
            pass  # a run of another store
    if start is not None:
        run, seq = split_seq(start)
        repo = find(run)
        run_id = repo.resolve_run(run)
        found, link = _line_of(repo, run_id, seq)
        tags[FROM] = {"run_id": run_id, "seq": found, "hash": link}
    return tags


def split_seq(text: str) -> tuple[str, int | None]:
    """Returns run and seq of RUN@SEQ; RUN may be @ or @last.

    Raises:
        UsageError: The text after the last @ of a RUN is not a seq.
    """
    run, mark, seq = text[1:].rpartition("@")
    if not mark:
        return text, None
    number = parse_seq(seq)
    if number is None:
        raise UsageError(f"{text[:80]!a} is not a run and a seq: write RUN@SEQ, as in @last@12")
    return text[:1] + run, number


def _line_of(repo: Repository, run_id: RunId, seq: int | None) -> tuple[int | None, str]:
    """Returns the seq and the hash of the line of an event, by default of the last line."""
    number, link, is_there = None, "", False
    for line, place in repo.store.logs.read(f"run/{run_id}"):
        is_there = True
        event = read_event(line)
        if seq is None:
            number, link = (event.seq if event else number), chain.hash_of(line) or place.hash
        elif event is not None and event.seq == seq:
            return seq, place.hash
    if not is_there:
        raise RunNotFoundError(run_id)
    if seq is not None:
        raise NotFoundError(run_id, f"run {run_id} has no event with the seq {seq}")
    return number, link


def tree(
    repo: Repository,
    run: str,
    *,
    from_root: bool = False,
    unreadable: Callable[[RunId, StorageError], None],
) -> Iterator[Node]:
    """Yields a run and those that come from it, each below its origin, the oldest first.

    Memory grows with the number of runs that come from others, not with that of all runs.

    Args:
        repo: The repository.
        run: The run, as for `Repository.resolve_run`.
        from_root: Whether to begin with the run that all of them come from.
        unreadable: Called with each run that cannot be read.

    Raises:
        RunNotFoundError: No run has this id.
    """
    first = repo.runs.get_run(repo.resolve_run(run))
    seen = {first.run_id}
    while from_root and (origin := origin_of(first)) is not None and origin.run_id not in seen:
        try:
            first = repo.runs.get_run(origin.run_id)
        except RunNotFoundError:
            break
        seen.add(first.run_id)
    children: dict[str, list[tuple[str, str]]] = {}
    for record in repo.runs.iter_runs(unreadable=unreadable):
        origin = origin_of(record)
        if origin is not None:
            children.setdefault(origin.run_id, []).append((record.created_at, record.run_id))
    shown: set[str] = set()
    waiting: list[tuple[str, tuple[bool, ...]]] = [(first.run_id, ())]
    while waiting:
        run_id, is_last = waiting.pop()
        if run_id in shown:
            continue  # tags may say anything, also that a run comes from itself
        shown.add(run_id)
        try:
            record = repo.runs.get_run(run_id)
        except RunNotFoundError:
            continue
        yield Node(record, len(is_last), origin_of(record), is_last)
        below = sorted(children.get(run_id, ()), reverse=True)
        waiting += [(child, (*is_last, n == 0)) for n, (_, child) in enumerate(below)]
