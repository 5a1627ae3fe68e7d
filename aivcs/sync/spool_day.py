"""The store of a day of a spool: an ordinary folder store, which marks the runs that change.

A run's mark is durable before the run's first line, and the day is not removed while somebody
writes to it.
"""

from contextlib import contextmanager

from aivcs import errors
from aivcs.repository import Repository

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from contextlib import AbstractContextManager
    from typing import Any

    from aivcs.errors import StorageError
    from aivcs.store.contracts import AnnotationStore, RunLedger
    from aivcs.store.driver import Documents, LogDriver, LogView
    from aivcs.sync.spool import Spool


class DayStore(Repository):
    """The runs of a day: an ordinary store, which marks each run that is appended to.

    Attributes:
        spool: The spool that it is of; None if it was opened by its path alone.
        day: The day, YYYY-MM-DD.
    """

    __slots__ = ("day", "spool")

    def __init__(self, *arguments: "Any") -> None:
        """As `Repository`."""
        super().__init__(*arguments)
        self.spool: Spool | None = None
        self.day = ""

    @property
    def identity(self) -> str:
        """The id of the store that the runs are for; until it is known, the name of the spool."""
        return super().identity if self.spool is None else self.spool.identity

    @property
    def runs(self) -> "RunLedger":
        """The runs."""
        if self._runs is None and self.spool is not None:
            logs: Any = _MarkingLogs(self.store.logs, self.spool, self.day)
            self._runs = self.runs_listed_by(self.store.list_runs, logs)
        return super().runs

    @property
    def annotations(self) -> "AnnotationStore":
        """As `Repository.annotations`."""
        if self.spool is None:
            return super().annotations
        from aivcs.store.annotations import DocumentAnnotations

        documents: Any = _StayingDocuments(self.store.documents, self.spool, self.day)
        return DocumentAnnotations(documents, max_payload=self.store.settings.max_event)

    def hold(self, *, later: bool = False) -> "AbstractContextManager[None]":
        """As `Repository.hold`; the day is not removed in it."""
        if self.spool is None:
            return super().hold(later=later)
        return self._hold(self.spool, later=later)

    def staying(self) -> "AbstractContextManager[None]":
        """As `Repository.staying`."""
        return super().staying() if self.spool is None else self.spool.staying(self.day)

    @contextmanager
    def _hold(self, spool: "Spool", *, later: bool) -> "Iterator[None]":
        with spool.staying(self.day), self.store.hold(later=later):
            yield


class _MarkingLogs:
    """The logs of a day: a run is marked as waiting before anything is appended to it.

    The day is not removed between the mark and the end of the append.
    """

    def __init__(self, logs: "LogDriver", spool: "Spool", day: str) -> None:
        self._logs = logs
        self._spool = spool
        self._day = day
        self._marked: set[str] = set()

    def __getattr__(self, name: str) -> "Any":
        return getattr(self._logs, name)

    def update(
        self,
        name: str,
        decide: "Callable[[LogView | None], Iterable[bytes]]",
        *,
        durable: bool = True,
    ) -> None:
        """As `LogDriver.update`; a change that is refused marks nothing."""

        def marking(view: "LogView | None") -> "list[bytes]":
            lines = list(decide(view))
            if lines:
                self._mark(name)
            return lines

        with self._spool.staying(self._day):
            self._logs.update(name, marking, durable=durable)
        self._spool.appended()

    def append_texts(self, name: str, texts: "list[bytes]") -> "int | None":
        """As `LogDriver.append_texts`; a run that is not marked is left to `update`."""
        with self._spool.staying(self._day):
            if not self._is_marked(name):
                return None
            seq = self._logs.append_texts(name, texts)
        self._spool.appended()
        return seq

    def _is_marked(self, name: str) -> bool:
        run_id = name.removeprefix("run/")
        return name in self._marked or self._spool.is_marked(self._day, run_id)

    def _mark(self, name: str) -> None:
        if name not in self._marked:
            self._spool.mark(self._day, name.removeprefix("run/"))
            self._marked.add(name)


class _StayingDocuments:
    """The documents of a day, which is not removed while one is created."""

    def __init__(self, documents: "Documents", spool: "Spool", day: str) -> None:
        self._documents = documents
        self._spool = spool
        self._day = day

    def __getattr__(self, name: str) -> "Any":
        return getattr(self._documents, name)

    def create(self, name: str, data: bytes) -> bool:
        """As `Documents.create`."""
        with self._spool.staying(self._day):
            return self._documents.create(name, data)


def with_repair(repo: DayStore, error: "StorageError") -> "StorageError":
    """Returns an error of a run that a spool cannot read, with the command that repairs it."""
    if not isinstance(error, errors.IntegrityError):
        return error
    from shlex import quote

    text = f"{error}; it stays in the spool: aivcs --store {quote(repo.path)} verify --repair"
    return errors.IntegrityError.of(text)
