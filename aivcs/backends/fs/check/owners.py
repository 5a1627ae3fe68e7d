"""Finding files that the owner of a store cannot write, left by a command of another user.

Mostly of root, by sudo. Nothing is lost, but the owner's next append or put fails.
"""

import os

from aivcs.backends.fs.scan import Scanner
from aivcs.log.verify_run import NOTICE
from aivcs.store.finding import Finding

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from aivcs.backends.fs.folder import Folder

_MAX_FINDINGS = 10
"""Findings that are yielded one by one; the others are counted."""


def check_owners(folder: "Folder", names: "Iterable[str]") -> "Iterator[Finding]":
    """Yields the folders and files that the store's owner, or its group if shared, cannot write.

    Args:
        folder: The store's folder.
        names: The folders in it to walk.
    """
    try:
        root = os.stat(folder.root)
    except OSError:
        return  # found before
    if root.st_uid == 0:
        return  # root may write to everything
    remedy = (
        "a command ran as that user (sudo?); give it back: "
        f"sudo chown -R {root.st_uid}:{root.st_gid} {folder.root}"
    )
    count = 0
    for name in names:
        for entry in Scanner(folder).below(name):
            if not (entry.is_file or entry.is_folder) or _may_write(root, entry.status):
                continue
            count += 1
            if count <= _MAX_FINDINGS:
                problem = (
                    f"it belongs to user {entry.status.st_uid}, and the owner of the store, user "
                    f"{root.st_uid}, cannot write to it"
                )
                yield Finding(NOTICE, entry.path, None, problem, remedy)
    if count > _MAX_FINDINGS:
        problem = (
            f"there are {count - _MAX_FINDINGS} more that the owner of the store cannot write to"
        )
        yield Finding(NOTICE, ".", None, problem, remedy)


def _may_write(root: os.stat_result, status: os.stat_result) -> bool:
    if root.st_uid == status.st_uid or status.st_mode & 0o002:
        return True
    return bool(status.st_mode & 0o020) and status.st_gid == root.st_gid
