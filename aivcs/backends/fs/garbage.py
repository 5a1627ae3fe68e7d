"""What collecting garbage asks of files: how old each object is, and removing what is old.

The age of an object is the time since it was last put: putting what is there refreshes its
modification time. What a file is worth is decided elsewhere; here nothing is removed but by name.
"""

import os
from stat import S_ISREG

from aivcs.backends.fs import files
from aivcs.backends.fs.blobs import object_name
from aivcs.backends.fs.folder import is_abandoned
from aivcs.model.digest import ContentDigest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from aivcs.backends.fs.folder import Folder

_HEX = frozenset("0123456789abcdef")


class Removal:
    """A `Removal`: no other process puts an object, or is between finding and naming one."""

    __slots__ = ("_fd", "_folder")

    def __init__(self, folder: "Folder") -> None:
        """Takes the folder of a store."""
        self._folder = folder
        self._fd = -1

    def __enter__(self) -> "Removal":
        """Waits until all others have left their holds.

        Raises:
            LockTimeoutError: Somebody does not leave for too long.
            BackendError: The objects cannot be locked.
        """
        self._fd = self._folder.lock_objects(shared=False)
        return self

    def __exit__(self, *_: object) -> None:
        """Lets the others go on."""
        os.close(self._fd)

    def remove(self, digest: ContentDigest, *, unless_since: "float | None" = None) -> bool:
        """As `Removal.remove`.

        It is not made durable: an object that a power cut brings back is garbage again.

        Raises:
            BackendError: It cannot be removed.
        """
        name = object_name(digest)
        self._folder.require_parents(name)
        status = _status(self._folder, name)
        if status is None or (unless_since is not None and status.st_mtime >= unless_since):
            return False
        with files.doing("delete", name):
            os.unlink(self._folder.path(name))
        return True


def stored(folder: "Folder") -> "Iterator[tuple[ContentDigest, int, float]]":
    """Yields the digest of each object, its bytes, and when it was last put (POSIX seconds).

    Raises:
        BackendError: A folder cannot be looked into.
    """
    for shard in _entries(folder, "objects"):
        if len(shard) != 2 or not _HEX.issuperset(shard):
            continue
        for rest in _entries(folder, f"objects/{shard}"):
            if len(rest) != 62 or not _HEX.issuperset(rest):
                continue
            status = _status(folder, f"objects/{shard}/{rest}")
            if status is not None:
                yield ContentDigest(shard + rest), status.st_size, status.st_mtime


def leftovers(folder: "Folder", moment: float, *, delete: bool) -> int:
    """Counts, and removes if asked to, the temporaries from before a moment whose process is gone.

    Raises:
        BackendError: One cannot be removed.
    """
    count = 0
    for entry in _entries(folder, "tmp"):
        pid, _, rest = entry.partition("-")
        if not pid.isdecimal() or len(rest) != 12 or not _HEX.issuperset(rest):
            continue  # not of our making; verify speaks of it
        status = _status(folder, f"tmp/{entry}")
        if status is None or status.st_mtime >= moment or not is_abandoned(entry):
            continue
        if delete:
            path = folder.path(f"tmp/{entry}")
            with files.doing("delete", path):
                try:
                    os.unlink(path)
                except FileNotFoundError:
                    continue
        count += 1
    return count


def _entries(folder: "Folder", name: str) -> "list[str]":
    folder.require_parents(f"{name}/")
    with files.doing("list", name):
        try:
            return os.listdir(folder.path(name))
        except FileNotFoundError:
            return []


def _status(folder: "Folder", name: str) -> "os.stat_result | None":
    """The status of a regular file; None for anything else."""
    with files.doing("look at", name):
        try:
            status = os.lstat(folder.path(name))
        except FileNotFoundError:
            return None
    return status if S_ISREG(status.st_mode) else None
