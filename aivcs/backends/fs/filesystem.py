"""The file system of a store: its type, and whether its locks exclude.

A store relies on `flock` and `fsync`. On a file system whose locks do not exclude, events would be
lost unnoticed, so it is refused. A network file system is as safe as its server, so it is worth a
warning.
"""

from __future__ import annotations

import fcntl
import os

from aivcs.backends.fs import files
from aivcs.errors import BackendError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from aivcs.backends.fs.folder import Folder

_NETWORK = (
    "9p acfs afs beegfs ceph cifs coda fuse.ceph fuse.ceph-fuse fuse.cephfs fuse.glusterfs "
    "fuse.juicefs fuse.mfs fuse.moosefs fuse.rclone fuse.s3fs fuse.sshfs gcsfuse fuse.gcsfuse "
    "glusterfs gfs2 gpfs lustre ncpfs nfs nfs3 nfs4 ocfs2 orangefs pvfs2 smb2 smb3 smbfs "
    "vboxsf virtiofs wekafs"
)
NETWORK = frozenset(_NETWORK.split())
"""Linux names of file systems on, or shared with, another machine."""


def type_of(mounts: str, path: str) -> str | None:
    """Returns the type of the file system of a path, or None if it is not listed.

    Args:
        mounts: The text of /proc/self/mountinfo (proc_pid_mountinfo(5)).
        path: An absolute path without links.
    """
    numbers = set()
    around: dict[str, list[tuple[int, str, str]]] = {}  # by the mount they are in
    for line in mounts.splitlines():
        mount, _, source = line.partition(" - ")
        fields = mount.split(" ")
        if len(fields) < 5 or not source:
            continue
        numbers.add(fields[0])
        point = _unescape(fields[4])
        if point == "/" or path == point or path.startswith(f"{point}/"):
            one = (len(point), fields[0], source.split(" ")[0])
            # The root mount may name itself as its parent.
            on = "" if fields[1] == fields[0] else fields[1]
            around.setdefault(on, []).append(one)
    # From the root down, always to the mount nearest to the root on the way to the path: those
    # below it on the same file system were mounted before it, and are hidden.
    found = None
    here = [one for on, ones in around.items() if on not in numbers for one in ones]
    while here:
        _, number, found = min(here)
        here = around.pop(number, [])
    return found


def find_type(path: str) -> str | None:
    """Returns the type of the file system of a path, or None if that cannot be known."""
    try:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
            return type_of(file.read(), os.path.realpath(path))
    except OSError:
        return None


def require_locks(folder: Folder) -> None:
    """Refuses a file system whose locks do not exclude a second one.

    Raises:
        BackendError: There are no locks, or they do not exclude.
    """
    fd, temporary = folder.create_temporary()
    other = None
    try:
        other = files.open_file(temporary, os.O_RDWR)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise _unusable(folder, f"has no locks (flock: {error.strerror})") from error
        try:
            if other is not None:
                fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        except OSError as error:
            raise _unusable(folder, f"has no locks (flock: {error.strerror})") from error
        raise _unusable(folder, "gives one lock (flock) to two at once")
    finally:
        os.close(fd)
        if other is not None:
            os.close(other)
        folder.discard(temporary)


def _unusable(folder: Folder, what: str) -> BackendError:
    kind = find_type(folder.root)
    return BackendError(
        f"the file system{f' ({kind})' if kind else ''} of {folder.root} {what}, so writers would "
        "overwrite each other; keep the store on a local disk"
    )


def _unescape(text: str) -> str:
    r"""Decodes a mount point: the kernel writes space, tab, newline and \ as octal numbers."""
    for number in ("040", "011", "012", "134"):
        text = text.replace(f"\\{number}", chr(int(number, 8)))
    return text
