"""The memory of another store: the runs that had ended and were equal on both sides.

Such a run never changes, so the next copy need not look at its logs. The memory is a cache: without
it, or with `--all`, every log is looked at. It is kept in documents, one for each two characters
with which ids begin, as heads manifests (`aivcs.log.heads`); they are for the store with one id, so
that another store under the same URL is not taken for it.
"""

from __future__ import annotations

from aivcs.errors import BackendError, ConflictError, SerializationError, StorageError
from aivcs.log.heads import heads_in_pieces, pieces
from aivcs.model.record import Head
from aivcs.sync.plan import merged

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from aivcs.store.driver import Documents


class Known:
    """The settled runs of another store, in the documents of this one."""

    def __init__(self, documents: Documents, store_id: str) -> None:
        """Takes the documents of this store and the id of the other one."""
        self._documents = documents
        self._folder = f"remotes/known/{store_id}/"
        self._found: dict[str, dict[str, Head]] = {}

    def stamps_name(self, direction: str) -> str:
        """Returns the document for `Settled`, one for each direction."""
        return f"{self._folder.rstrip('/')}.{direction}"

    def ids(self, groups: Iterable[str] | None = None) -> Iterator[str]:
        """Yields the ids of the settled runs, in order.

        Args:
            groups: Only those whose ids begin so, two characters each, in order; None is all.
        """
        names = self._documents.names(self._folder) if groups is None else (
            self._folder + group for group in groups
        )  # fmt: skip
        for name in names:
            for log, _ in self._heads(name):
                yield log.removeprefix("run/")

    def add(self, run_id: str, head: Head) -> None:
        """Notes a run that has ended and is equal on both sides; `save` writes it down."""
        self._found.setdefault(run_id[:2], {})[f"run/{run_id}"] = head

    def save(self) -> None:
        """Writes down what was noted. What cannot be written is looked at again next time."""
        for shard, found in sorted(self._found.items()):
            name = self._folder + shard
            try:
                self._write(name, sorted(found.items()))
            except (ConflictError, BackendError) as error:
                # Another copy wrote it, or this user may not: the runs come again.
                if error.is_store_away:
                    raise
        self._found.clear()

    def forget(self) -> None:
        """Removes the memory of the store."""
        for name in list(self._documents.names(self._folder)):
            self._documents.drop(name)
        for direction in ("push", "pull"):
            self._documents.drop(self.stamps_name(direction))

    def _write(self, name: str, found: Iterable[tuple[str, Head]]) -> None:
        before = self._documents.read(name)
        data = b"".join(pieces(merged(self._heads(name), found)))
        self._documents.write(name, data, expect="" if before is None else before[1])

    def _heads(self, name: str) -> list[tuple[str, Head]]:
        found = self._documents.read(name)
        try:
            pairs = [] if found is None else list(heads_in_pieces([found[0]]))
            return [(name, head) for name, head in pairs if head is not None]
        except (SerializationError, StorageError):
            return []  # damaged: every log is looked at
