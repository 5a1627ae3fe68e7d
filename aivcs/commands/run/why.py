"""`aivcs run why`: from a line of a file to its commit, the run that made it, and who asked why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from aivcs.commands.git import TRAILER, Commit, find_change
from aivcs.errors import NotFoundError, RunNotFoundError
from aivcs.trace.timeline import CALL, MESSAGE, read_event

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from aivcs.model.run import RunEvent, RunRecord
    from aivcs.repository import Repository

_MIN_TEXT = 4
"""Characters of a line, at least, for it to tell which event wrote it."""
_USERS = frozenset({"user", "human"})


class Reason(NamedTuple):
    """Why a line is as it is.

    Attributes:
        file: The file, as it was given.
        line: The number of the line, or None for the whole file.
        text: The line.
        commit: The commit that it comes from.
        record: The run in which that commit was made.
        asked: The user's message before the event that wrote it, else the first one; None if the
            run has none.
        wrote: The first call that has the line and the file's name in its arguments, else the last
            one that names the file; None if there is none.
    """

    file: str
    line: int | None
    text: str | None
    commit: Commit
    record: RunRecord
    asked: RunEvent | None
    wrote: RunEvent | None

    @property
    def is_guess(self) -> bool:
        """Whether no call tells which message asked for it, so that `asked` is only the first."""
        return self.asked is not None and self.wrote is None

    def to_json(self) -> dict[str, Any]:
        """Returns it as a JSON value."""
        commit = self.commit._asdict()
        commit["run_ids"] = list(self.commit.run_ids)
        asked = _told(self.asked)
        if asked is not None and self.asked is not None:
            asked["text"] = message_of(self.asked)
            asked["is_guess"] = self.is_guess
        return {
            "file": self.file,
            "line": self.line,
            "text": self.text,
            "commit": commit,
            "run": self.record.to_json(),
            "asked": asked,
            "wrote": _told(self.wrote),
        }


def why(repo: Repository, folder: str, file: str, line: int | None) -> Reason:
    """Returns why a line, or a file, is as it is.

    Args:
        repo: The repository with the runs.
        folder: A folder in the git repository; the file's path is relative to it.
        file: The file.
        line: The number of a line, or None for the file's last commit.

    Raises:
        BackendError: git is not installed.
        NotFoundError: There is no repository, no such line, no run in its commit, or that run is
            not in this store.
        IntegrityError: The log of the run is damaged.
    """
    commit, text, name = find_change(folder, file, line)
    if not commit.run_ids:
        raise NotFoundError(
            commit.sha,
            f"commit {commit.sha[:12]} names no run: it has no trailer {TRAILER} "
            "(aivcs hook install git writes it)",
        )
    found: Reason | None = None
    for run_id in commit.run_ids:
        try:
            record = repo.runs.get_run(run_id)
        except RunNotFoundError:
            continue
        asked, wrote = _search(repo.runs.iter_events(record.run_id), name, text)
        found = Reason(file, line, text, commit, record, asked, wrote)
        if wrote is not None:
            break
    if found is None:
        named = ", ".join(commit.run_ids)[:200]
        raise NotFoundError(
            commit.run_ids[0],
            f"commit {commit.sha[:12]} was made in run {named}, which is not in this store; "
            "get it with: aivcs pull",
        )
    return found


def message_of(event: RunEvent) -> str:
    """Returns the text of a message."""
    return "\n".join(_texts(event.payload.get("content", event.payload.get("text", ""))))


def _search(
    events: Iterable[RunEvent], name: str, text: str | None
) -> tuple[RunEvent | None, RunEvent | None]:
    """Returns the message that asked for a line, and the event that wrote it."""
    sought = (text or "").strip()
    first = latest = wrote = asked = None
    for event in events:
        reading = read_event(event)
        if reading.what == MESSAGE and event.payload.get("role") in _USERS:
            if message_of(event).strip():
                latest = event
                first = first or event
        elif reading.what == CALL:
            given = list(_texts(reading.arguments))
            if any(name in each for each in given):
                wrote, asked = event, latest
                if len(sought) >= _MIN_TEXT and any(sought in each for each in given):
                    break
    return asked or first, wrote


def _texts(value: Any) -> Iterator[str]:
    """Yields the texts in a value, in order; of a message's parts, what they say."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, member in value.items():
            if name != "type":
                yield from _texts(member)
    elif isinstance(value, list):
        for member in value:
            yield from _texts(member)


def _told(event: RunEvent | None) -> dict[str, Any] | None:
    if event is None:
        return None
    return {
        "seq": event.seq,
        "kind": event.kind,
        "tool": read_event(event).tool or None,
        "timestamp": event.timestamp,
    }
