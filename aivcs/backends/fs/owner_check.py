"""Finding what the owner of a store cannot write: what a command left that ran as another user.

That is mostly root, by sudo. Nothing is lost by it, but the next append or put of the owner fails.
"""

import os
from stat import S_ISDIR, S_ISREG

from aivcs.log.verify_run import NOTICE
from aivcs.store.finding import Finding

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from aivcs.backends.fs.folder import Folder

_MOST = 10
"""Findings; what is left of them is counted."""


def check_owners(folder: "Folder", names: "Iterable[str]") -> "Iterator[Finding]":
    """Yields the folders and files that the store's owner, or its group if shared, cannot write.

    Args:
        folder: The store's folder.
        names: The folders in it to look into.
    """
    try:
        root = os.stat(folder.root)
    except OSError:
        return  # which was found before
    if root.st_uid == 0:
        return  # who may write to anything
    remedy = (
        "a command ran as that user (sudo?); give it back: "
        f"sudo chown -R {root.st_uid}:{root.st_gid} {folder.root}"
    )
    count = 0
    for name in names:
        for where, status in _below(folder, name):
            if _may_write(root, status):
                continue
            count += 1
            if count <= _MOST:
                problem = (
                    f"it belongs to user {status.st_uid}, and the owner of the store, user "
                    f"{root.st_uid}, cannot write to it"
                )
                yield Finding(NOTICE, where, None, problem, remedy)
    if count > _MOST:
        problem = f"there are {count - _MOST} more that the owner of the store cannot write to"
        yield Finding(NOTICE, ".", None, problem, remedy)


def _below(folder: "Folder", name: str) -> "Iterator[tuple[str, os.stat_result]]":
    """Yields a folder of a store and all that is in it; what cannot be seen was found before."""
    for at, folders, files in os.walk(folder.path(name)):
        folders.sort()
        for entry in ["", *sorted(files)]:
            path = f"{at}/{entry}".rstrip("/")
            try:
                status = os.lstat(path)
            except OSError:
                continue
            if S_ISREG(status.st_mode) or S_ISDIR(status.st_mode):
                yield path.removeprefix(f"{folder.root}/"), status


def _may_write(root: os.stat_result, status: os.stat_result) -> bool:
    if root.st_uid == status.st_uid or status.st_mode & 0o002:
        return True
    return bool(status.st_mode & 0o020) and status.st_gid == root.st_gid
