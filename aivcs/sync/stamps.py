"""Remembers which groups of runs were compared, so that they are not even listed again.

A group is the runs whose ids begin with the same two characters. A driver may tell a stamp of a
group, a text that changes when a log is added to it or removed (`Stamped`). Where both sides have
the stamps of then, only the runs that were not settled then have to be looked at. A stamp that is
so young that a change could leave it as it is, is not remembered, and neither is a group in which
a run was missing on one side.
"""

from __future__ import annotations

from aivcs.codec.json import encode, parse
from aivcs.errors import BackendError, ConflictError, InvalidNameError, SerializationError
from aivcs.model.run import RunId

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from aivcs.repository import Repository
    from aivcs.store.driver import Documents


_MOST_OPEN = 256
"""The runs of a group that are remembered as not settled; with more, the group is listed."""


def stamps_of(repo: Repository) -> dict[str, str] | None:
    """Returns the stamp of each group of runs that may be remembered; None if there are none."""
    ask = getattr(repo.store.logs, "stamps", None)
    return None if ask is None else ask()


class Settled:
    """The groups as they were when they were last compared, in one direction."""

    def __init__(
        self, documents: Documents, name: str, source: Repository, target: Repository
    ) -> None:
        """Takes the stamps of both sides; call it before anything is listed.

        Args:
            documents: Keep the memory.
            name: The document.
            source: Where runs are copied from.
            target: Where they are copied to.
        """
        self._documents = documents
        self._name = name
        self._source, self._target = stamps_of(source), stamps_of(target)
        self._open: dict[str, set[str]] = {}
        self._missing: set[str] = set()
        self._known = self._load() if self.works else {}

    @property
    def works(self) -> bool:
        """Whether both sides tell stamps."""
        return self._source is not None and self._target is not None

    def groups(self) -> Iterator[str] | None:
        """Yields the groups of the source that have to be listed, in order; None if all have."""
        if not self.works:
            return None
        assert self._source is not None
        return (group for group in sorted(self._source) if not self._is_known(group))

    def open_runs(self) -> list[str]:
        """Returns the ids of the runs in all other groups that were not settled, in order.

        Both sides have them.
        """
        known = (group for group in sorted(self._source or ()) if self._is_known(group))
        return [run_id for group in known for run_id in self._known[group][2:]]

    def note_open(self, run_id: str, *, is_there: bool) -> None:
        """Notes that a run is not settled, or may not be.

        Args:
            run_id: The run.
            is_there: Whether both sides had it before this comparison.
        """
        self._open.setdefault(run_id[:2], set()).add(run_id)
        if not is_there:
            self._missing.add(run_id[:2])

    def save(self) -> None:
        """Remembers the groups in which both sides have all runs of the source."""
        if not self.works:
            return
        assert self._source is not None
        found = {}
        for group in self._source:
            pair, open_runs = self._pair(group), self._open.get(group, ())
            if all(pair) and group not in self._missing and len(open_runs) <= _MOST_OPEN:
                found[group] = [*pair, *sorted(open_runs)]
        before = self._documents.read(self._name)
        data = encode(found).encode()
        if before is None or before[0] != data:
            try:
                version = "" if before is None else before[1]
                self._documents.write(self._name, data, expect=version)
            except (ConflictError, BackendError) as error:
                # Another copy remembered otherwise, or this user may not; they are listed again.
                if error.is_store_away:
                    raise

    def _is_known(self, group: str) -> bool:
        return self._known.get(group, [])[:2] == self._pair(group)

    def _pair(self, group: str) -> list[str]:
        """Returns the stamps of both sides; empty ones for what may not be remembered."""
        assert self._source is not None
        assert self._target is not None
        return [self._source.get(group, ""), self._target.get(group, "")]

    def _load(self) -> dict[str, list[str]]:
        """Returns both stamps of each group, followed by the ids of the runs not settled."""
        found = self._documents.read(self._name)
        if found is None:
            return {}
        try:
            value = parse(found[0].decode())
        except (SerializationError, UnicodeDecodeError):
            return {}
        groups = value if isinstance(value, dict) else {}
        return {group: texts for group, texts in groups.items() if _is_whole(group, texts)}


def _is_whole(group: str, texts: Any) -> bool:
    """Tells whether what was read of a group can be relied on."""
    if not isinstance(texts, list) or len(texts) < 2:
        return False
    if not all(isinstance(text, str) and text for text in texts):
        return False
    try:
        return all(RunId(run_id)[:2] == group for run_id in texts[2:])
    except InvalidNameError:
        return False
