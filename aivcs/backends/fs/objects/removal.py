"""Removing files that nobody needs: objects by their digests, and abandoned temporary files.

The age of an object is the time since it was last put: putting its content again refreshes its
modification time. Which objects are garbage is decided elsewhere.
"""

import os
from stat import S_ISREG

from aivcs.backends.fs import files, layout
from aivcs.backends.fs.folder import is_abandoned
from aivcs.backends.fs.scan import Scanner, readable
from aivcs.model.digest import ContentDigest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from aivcs.backends.fs.folder import Folder


class Removal:
    """A `Removal`: has the GC guard exclusively, so no other process relies on an object."""

    __slots__ = ("_fd", "_folder")

    def __init__(self, folder: "Folder") -> None:
        """Takes the folder of a store."""
        self._folder = folder
        self._fd = -1

    def __enter__(self) -> "Removal":
        """Waits until all others have left the GC guard.

        Raises:
            LockTimeoutError: Another process does not leave it for too long.
            BackendError: The objects cannot be locked.
        """
        self._fd = self._folder.lock_gc_guard(shared=False)
        return self

    def __exit__(self, *_: object) -> None:
        """Lets other processes go on."""
        os.close(self._fd)

    def remove(self, digest: ContentDigest, *, unless_since: "float | None" = None) -> bool:
        """As `Removal.remove`.

        Not durable: an object that a power cut brings back is garbage again.

        Raises:
            BackendError: It cannot be removed.
        """
        name = layout.object_path(digest)
        path = self._folder.path(name)
        self._folder.require_parents(name)
        with files.os_errors("look at", name):
            try:
                status = os.lstat(path)
            except FileNotFoundError:
                return False
        is_newer = unless_since is not None and status.st_mtime >= unless_since
        if is_newer or not S_ISREG(status.st_mode):
            return False
        with files.os_errors("delete", name):
            os.unlink(path)
        return True

    def confirm(self) -> None:
        """As `Removal.confirm`: a lock on a file lasts as long as its descriptor."""


def stored(folder: "Folder") -> "Iterator[tuple[ContentDigest, int, float]]":
    """Yields the digest of each object, its bytes, and when it was last put (POSIX seconds).

    Raises:
        BackendError: A folder cannot be read.
    """
    for entry in readable(Scanner(folder).objects(), strict=False):
        if entry.name and entry.is_file:
            yield ContentDigest(entry.name), entry.status.st_size, entry.status.st_mtime
        elif layout.is_object_folder(entry.path):
            folder.require_folder(entry.path)


def sweep_temporaries(folder: "Folder", moment: float, *, delete: bool) -> int:
    """Counts the abandoned temporary files last written before a moment; removes them if asked to.

    Raises:
        BackendError: One cannot be removed.
    """
    count = 0
    for entry in readable(Scanner(folder).entries(layout.TEMPORARY), strict=False):
        name = entry.path[len(layout.TEMPORARY) + 1 :]
        if not entry.is_file or entry.status.st_mtime >= moment:
            continue
        if not layout.is_temporary(name) or not is_abandoned(name):
            continue  # verify reports a stray file
        if delete:
            with files.os_errors("delete", folder.path(entry.path)):
                try:
                    os.unlink(folder.path(entry.path))
                except FileNotFoundError:
                    continue
        count += 1
    return count
