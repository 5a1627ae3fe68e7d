"""The release logs of a folder as a driver sees them: `releases/<name>.jsonl`, "/" is a folder."""

from aivcs.backends.fs import files
from aivcs.backends.fs.logfile import LockedLog, LogReader, first_line
from aivcs.errors import BackendError, InvalidNameError
from aivcs.model import check_release_name
from aivcs.store.place import START, Place
from aivcs.store.releases import PREFIX, LogReleaseRegistry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

    from aivcs.backends.fs.folder import Folder
    from aivcs.store.driver import LogView, NumberOf


class FileReleaseRegistry(LogReleaseRegistry):
    """The `ReleaseRegistry` contract on a folder."""

    __slots__ = ()

    def __init__(self, folder: "Folder") -> None:
        """Takes the store's folder."""
        super().__init__(FileReleaseLogs(folder))  # type: ignore[arg-type]


class _View:
    """A `LogView` of an open log."""

    __slots__ = ("_log", "last")

    def __init__(self, log: "LockedLog | LogReader") -> None:
        self._log = log
        self.last = log.tail.last

    def back(self) -> "Iterator[bytes]":
        return self._log.backwards()

    def line(self, number: int, number_of: "NumberOf") -> "bytes | None":
        return self._log.find_numbered(number, number_of)


class _Look:
    """A block with a view of a log, or None."""

    __slots__ = ("_folder", "_log", "_path")

    def __init__(self, folder: "Folder", path: str) -> None:
        self._folder = folder
        self._path = path

    def __enter__(self) -> "_View | None":
        self._log = LogReader.open(self._folder, self._path)
        return None if self._log is None else _View(self._log)

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if self._log is not None:
            self._log.close()


class FileReleaseLogs:
    """The `LogDriver` of release logs, until the folder has one for all logs."""

    __slots__ = ("_folder",)

    def __init__(self, folder: "Folder") -> None:
        """Takes the store's folder."""
        self._folder = folder

    def where(self, name: str) -> str:
        """As `LogDriver.where`."""
        return f"releases/{name[len(PREFIX) :]}.jsonl"

    def look(self, name: str) -> _Look:
        """As `LogDriver.look`."""
        return _Look(self._folder, self.where(name))

    def update(self, name: str, decide: "Callable[[LogView | None], Iterable[bytes]]") -> None:
        """As `LogDriver.update`."""
        path = self.where(name)
        log = LockedLog.lock(self._folder, path)
        if log is None:
            decide(None)  # what is refused must not create a log
            log = LockedLog.create(self._folder, path)
        with log:
            view: Any = _View(log) if log.tail.last else None
            log.append(list(decide(view)))

    def read(
        self,
        name: str,
        after: Place = START,  # noqa: ARG002
    ) -> "Iterator[tuple[bytes, Place]]":
        """As `LogDriver.read`, from the first line."""
        from aivcs.log import chain

        log = LogReader.open(self._folder, self.where(name))
        if log is None:
            return
        with log:
            for number, line in enumerate(log.forwards(), 1):
                yield line, Place(number, chain.hash_of(line) or "")

    def names(self, prefix: str = "") -> "Iterator[str]":  # noqa: ARG002
        """As `LogDriver.names`."""
        for name in sorted(self._find_names("")):
            # Without a first line it is a name that a crash kept from its first release.
            try:
                there = first_line(self._folder, f"releases/{name}.jsonl") is not None
            except BackendError:
                there = True  # who asks for it will be told
            if there:
                yield PREFIX + name

    def _find_names(self, below: str) -> "Iterator[str]":
        """Yields what the names of the files below a folder say, whatever is in them."""
        from os import scandir

        self._folder.require_parents(f"releases/{below}")
        with files.doing("list", self._folder.path(f"releases/{below}").rstrip("/")):
            try:
                with scandir(self._folder.path(f"releases/{below}")) as found:
                    entries = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in found]
            except FileNotFoundError:
                return
        for entry, is_folder in entries:
            if is_folder and not entry.endswith(".jsonl"):
                yield from self._find_names(f"{below}{entry}/")
            elif entry.endswith(".jsonl"):  # a folder, too: who asks for the log will be told
                try:
                    check_release_name(below + entry[:-6])
                except InvalidNameError:
                    continue  # a stray file; verify reports it
                yield below + entry[:-6]
