"""Creating many logs at once, made durable together, for copies from other stores.

A log alone costs a sync of each folder above it and one of its own. Here a portion of logs is
created empty, then their folders are synced together, then all lines are written, and then synced
together. So the order is that of a single log: no power cut takes a log that was read. The locks
are held until everything is durable.
"""

import resource

from aivcs.backends.fs import files, layout
from aivcs.backends.fs.logs import LockedLog
from aivcs.backends.fs.objects.syncing import Syncing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from aivcs.backends.fs.folder import Folder

_MAX_OPEN = 256
"""Logs that are locked at once, at most; each needs two descriptors while it is synced."""


def create_many(folder: "Folder", logs: "Mapping[str, list[bytes]]") -> "set[str]":
    """Creates the logs that do not exist; as `CreatesLogs.create_many`."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    portion = _MAX_OPEN if limit < 0 else max(1, min(_MAX_OPEN, limit // 4))
    names = sorted(logs)  # everybody locks in this order, so nobody waits in a circle
    created: set[str] = set()
    syncing = Syncing(folder.root) if folder.is_durable else None
    try:
        for start in range(0, len(names), portion):
            with _Portion(folder, names[start : start + portion]) as locked:
                locked.write(logs, syncing)
                created.update(locked.names())
    finally:
        if syncing is not None:
            syncing.close()
    return created


class _Portion:
    """Logs that are created and locked together; a block at whose end the locks are freed."""

    def __init__(self, folder: "Folder", names: "Iterable[str]") -> None:
        """Takes the names of logs that may exist."""
        self._folder = folder
        self._names = names
        self._logs: dict[str, LockedLog] = {}

    def names(self) -> "Iterator[str]":
        """Yields the names of the logs that did not exist."""
        yield from self._logs

    def __enter__(self) -> "_Portion":
        """Creates the logs that do not exist, empty, and locks them.

        Raises:
            LockTimeoutError: Another process holds one for too long.
            BackendError: One cannot be created.
        """
        try:
            for name in self._names:
                log = LockedLog.create(self._folder, layout.log_path(name), is_entered=False)
                if log.view is None:
                    self._logs[name] = log
                else:
                    log.close()
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        """Frees the locks. After an error every log is empty again, so it does not exist."""
        if kind is not None:
            for log in self._logs.values():
                log.empty()
        self._close()

    def write(self, logs: "Mapping[str, list[bytes]]", syncing: "Syncing | None") -> None:
        """Writes all lines; they are durable on return.

        Raises:
            BackendError: They could not be written.
            OutcomeUnknownError: Whether they are durable cannot be known.
        """
        if not self._logs:
            return
        paths = {name: layout.log_path(name) for name in self._logs}
        if syncing is not None:
            folders = {parent for path in paths.values() for parent in _parents(path)}
            syncing.choose(len(paths), 0)
            # The deepest first, as `Folder.sync_parents` does.
            syncing.finish_folders(
                [*map(self._folder.path, sorted(folders, reverse=True)), self._folder.root]
            )
        size = 0
        for name, log in self._logs.items():
            log.append(logs[name], sync=False)
            size += sum(map(len, logs[name]))
        if syncing is not None:
            syncing.begin(self._copies(paths), size)
            syncing.finish()

    def _copies(self, paths: "Mapping[str, str]") -> "list[tuple[int, str]]":
        """Returns a second descriptor and the path of each log: synced and closed by others.

        Raises:
            BackendError: The process may open no more files.
        """
        copies: list[tuple[int, str]] = []
        try:
            for name, log in self._logs.items():
                path = self._folder.path(paths[name])
                with files.os_errors("open", path):
                    copies.append((log.copy_descriptor(), path))
        except BaseException:
            for fd, _ in copies:
                files.close(fd)
            raise
        return copies

    def _close(self) -> None:
        for log in self._logs.values():
            log.close()


def _parents(path: str) -> "Iterator[str]":
    """Yields the folders on the way to a path below the store."""
    at = path.rfind("/")
    while at >= 0:
        yield path[:at]
        at = path.rfind("/", 0, at)
