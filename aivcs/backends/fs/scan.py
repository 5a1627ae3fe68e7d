"""Walking the files of a store, in the order of the names that they stand for.

A walk never raises. It yields every entry, also one that is out of place or cannot be read, and the
caller decides whether that is an error (`readable`), a finding (`verify`) or nothing.
"""

import os
from stat import S_ISDIR, S_ISREG

from aivcs.backends.fs import files, layout
from aivcs.errors import BackendError, IntegrityError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from aivcs.backends.fs.folder import Folder


_TICK_NS = 3_000_000_000
"""Nanoseconds after which a change of a folder gives it another time than the change before."""


class Entry:
    """A file or folder of a store.

    Attributes:
        path: Its path below the store.
        status: Its status; only if there is no error.
        name: The digest, run id or release name whose place this is; empty for any other place.
        is_misplaced: Whether it is a log of a run in the folder of other runs.
        error: Why its status or, of a folder, its entries cannot be read; None if they can.
        verb: For messages, what the error kept from being done.
    """

    __slots__ = ("error", "is_misplaced", "name", "path", "status", "verb")
    status: os.stat_result

    def __init__(
        self, path: str, error: "OSError | BackendError | None" = None, verb: str = ""
    ) -> None:
        """Takes the path, and why it cannot be read."""
        self.path = path
        self.name = ""
        self.is_misplaced = False
        self.error = error
        self.verb = verb

    @property
    def is_file(self) -> bool:
        """Whether it is a regular file."""
        return self.error is None and S_ISREG(self.status.st_mode)

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder."""
        return self.error is None and S_ISDIR(self.status.st_mode)


class Scanner:
    """Walks the folders of a store."""

    __slots__ = ("_folder",)

    def __init__(self, folder: "Folder") -> None:
        """Takes the store's folder."""
        self._folder = folder

    def error_of(self, name: str) -> "OSError | BackendError | None":
        """Returns why a folder cannot be listed; None if it can be, or is absent."""
        try:
            self._names(name)
        except (OSError, BackendError) as error:
            return error
        return None

    def entries(self, name: str) -> "Iterator[Entry]":
        """Yields the entries of a folder in order: a folder as its names, a log by its own."""
        try:
            names = self._names(name)
        except (OSError, BackendError) as error:
            yield Entry(name, error, "list")
            return
        for path in names:
            entry = Entry(f"{name}/{path}")
            try:
                entry.status = os.lstat(self._folder.path(entry.path))
            except FileNotFoundError:
                continue  # gone since
            except OSError as error:
                entry.error, entry.verb = error, "look at"
            yield entry

    def objects(self) -> "Iterator[Entry]":
        """Yields the objects, and what is out of place among them."""
        for shard in self.entries(layout.OBJECTS):
            if not shard.is_folder or not layout.is_object_folder(shard.path):
                yield shard
                continue
            for entry in self.entries(shard.path):
                if entry.error is None:
                    entry.name = layout.digest_of(shard.path[8:], entry.path[11:])
                yield entry

    def runs(self, prefix: str = "") -> "Iterator[Entry]":
        """Yields the logs of runs, and what is out of place among them.

        Args:
            prefix: Of the ids; its first two characters say which folders are walked.
        """
        if len(prefix) >= 2:
            yield from self._runs(prefix[:2])
            return
        for shard in self.entries(layout.RUNS):
            if not shard.is_folder or len(shard.path) != 7:
                yield shard
            elif shard.path[5:].startswith(prefix):
                yield from self._runs(shard.path[5:])

    def _runs(self, shard: str) -> "Iterator[Entry]":
        for entry in self.entries(f"{layout.RUNS}/{shard}"):
            if entry.error is None:
                entry.name = layout.run_id_of(entry.path[8:])
                entry.is_misplaced = entry.name != "" and entry.name[:2] != shard
            yield entry

    def releases(self, folder: str = layout.RELEASES) -> "Iterator[Entry]":
        """Yields the logs of releases below a folder, and what is out of place among them."""
        for entry in self.entries(folder):
            if entry.is_folder and layout.is_release_name(entry.path[9:]):
                yield from self.releases(entry.path)
            else:
                entry.name = layout.release_name_of(entry.path)
                yield entry

    def below(self, name: str) -> "Iterator[Entry]":
        """Yields a folder and all that is below it; what cannot be read is left out."""
        for at, folders, names in os.walk(self._folder.path(name)):
            folders.sort()
            for path in (at, *(f"{at}/{name}" for name in sorted(names))):
                entry = Entry(path.removeprefix(f"{self._folder.root}/"))
                try:
                    entry.status = os.lstat(path)
                except OSError:
                    continue
                yield entry

    def _names(self, name: str) -> "list[str]":
        path = self._folder.path(name)
        try:
            files.require_folder(path)
            with os.scandir(path) as entries:
                found = [(_sort_key(entry), entry.name) for entry in entries]
        except FileNotFoundError:
            return []
        return [entry for _, entry in sorted(found)]


def _sort_key(entry: "os.DirEntry[str]") -> str:
    is_folder = entry.is_dir(follow_symlinks=False)
    return f"{entry.name}/" if is_folder else entry.name.removesuffix(layout.SUFFIX)


def readable(entries: "Iterable[Entry]", *, strict: bool) -> "Iterator[Entry]":
    """Yields entries, and refuses those that may hide others.

    Args:
        entries: The entries.
        strict: Whether links, pipes, sockets and devices are refused too, and folders in the place
            of a file.

    Raises:
        BackendError: An entry cannot be read, or is refused.
    """
    for entry in entries:
        if isinstance(entry.error, OSError):
            with files.os_errors(entry.verb, entry.error.filename):
                raise entry.error
        if entry.error is not None:
            raise entry.error
        if strict and not entry.is_file and (entry.name or not entry.is_folder):
            raise BackendError(f"{entry.path} is not a regular file; a store holds nothing else")
        yield entry


def log_names(folder: "Folder", prefix: str, *, strict: bool) -> "Iterator[str]":
    """Yields the names of all logs that begin with a prefix, in order; as `LogDriver.names`."""
    return (name for name, _ in log_entries(folder, prefix, strict=strict))


def log_entries(folder: "Folder", prefix: str, *, strict: bool) -> "Iterator[tuple[str, Entry]]":
    """Yields name and entry of all logs that begin with a prefix, in order; as `LogDriver.names`.

    Memory is needed for the names in one folder at a time.
    """
    scanner = Scanner(folder)
    if "release/".startswith(prefix[:8]):
        top = f"{layout.RELEASES}/{prefix[8:]}"
        top = top[: top.rfind("/")]
        folder.require_parents(top)
        for entry in readable(scanner.releases(top), strict=strict):
            if entry.name and f"release/{entry.name}".startswith(prefix):
                yield f"release/{entry.name}", entry
    if "run/".startswith(prefix[:4]):
        folder.require_parents(f"{layout.RUNS}/")
        for entry in readable(scanner.runs(prefix[4:]), strict=strict):
            if entry.is_misplaced and strict:
                raise IntegrityError.of(
                    f"{entry.path} is in the wrong folder; see: aivcs verify", entry.path
                )
            if entry.name and not entry.is_misplaced and entry.name.startswith(prefix[4:]):
                yield f"run/{entry.name}", entry


def run_stamps(folder: "Folder") -> "dict[str, str]":
    """Returns a stamp of each folder of runs; as `Stamped.stamps`."""
    from time import time_ns

    found = {}
    now = time_ns()
    for shard in folder.names_in(layout.RUNS):
        path = folder.path(f"{layout.RUNS}/{shard}")
        with files.os_errors("look at", path):
            status = os.lstat(path)
        if len(shard) == 2 and S_ISDIR(status.st_mode):
            # The clock of a file system may tick as seldom as every two seconds.
            is_old = status.st_mtime_ns + _TICK_NS < now and status.st_ctime_ns + _TICK_NS < now
            stamp = f"{status.st_dev}.{status.st_ino}.{status.st_mtime_ns}.{status.st_ctime_ns}"
            found[shard] = stamp if is_old else ""
    return found
