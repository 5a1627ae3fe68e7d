"""Remembers which groups of runs were all settled, so that they are not even listed again.

A group is the runs whose ids begin with the same two characters. A driver may tell a stamp of a
group, a text that changes when a log is added to it or removed (`Stamped`). Where all runs of a
group were settled, and both sides have the stamps of then, there is nothing to look at. A stamp
that is so young that a change could leave it as it is, is not remembered.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aivcs.codec.json import encode, parse
from aivcs.errors import BackendError, ConflictError, SerializationError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aivcs.repository import Repository
    from aivcs.store.driver import Documents


def stamps_of(repo: Repository) -> dict[str, str] | None:
    """Returns the stamp of each group of runs that may be remembered; None if there are none."""
    ask = getattr(repo.store.logs, "stamps", None)
    return None if ask is None else ask()


class Settled:
    """The groups that were settled when they were last compared, in one direction."""

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
        self._open: set[str] = set()

    @property
    def works(self) -> bool:
        """Whether both sides tell stamps."""
        return self._source is not None and self._target is not None

    def groups(self) -> Iterator[str] | None:
        """Yields the groups of the source that have to be listed, in order; None if all have."""
        if not self.works:
            return None
        assert self._source is not None
        known = self._known()
        return (group for group in sorted(self._source) if known.get(group) != self._pair(group))

    def note_open(self, run_id: str) -> None:
        """Notes that a run is not settled, or may not be."""
        self._open.add(run_id[:2])

    def save(self) -> None:
        """Remembers the groups in which all runs were settled."""
        if not self.works:
            return
        assert self._source is not None
        found = {
            group: pair
            for group in self._source
            if group not in self._open and all(pair := self._pair(group))
        }
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

    def _pair(self, group: str) -> list[str]:
        """Returns the stamps of both sides; empty ones for what may not be remembered."""
        assert self._source is not None
        assert self._target is not None
        return [self._source.get(group, ""), self._target.get(group, "")]

    def _known(self) -> dict[str, Any]:
        found = self._documents.read(self._name)
        if found is None:
            return {}
        try:
            value = parse(found[0].decode())
        except (SerializationError, UnicodeDecodeError):
            return {}
        pairs = value if isinstance(value, dict) else {}
        return {g: p for g, p in pairs.items() if isinstance(p, list) and all(p)}
