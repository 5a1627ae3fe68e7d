"""Judging an object: whether its bytes are the content of its digest."""

import os
from functools import partial

from aivcs.backends.fs import files, layout
from aivcs.backends.fs.check import repair
from aivcs.backends.fs.check.finding import HEAL, damage, unreadable
from aivcs.backends.fs.objects import hash_file
from aivcs.errors import BackendError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from aivcs.backends.fs.check.report import Report
    from aivcs.backends.fs.folder import Folder


class ObjectCheck:
    """Judges objects, in any thread."""

    __slots__ = ("_folder", "_has_blob")

    def __init__(self, folder: "Folder", has_blob: "Callable[[str], bool]") -> None:
        """Takes the store's folder, and the function that tells whether an object exists."""
        self._folder = folder
        self._has_blob = has_blob

    def judge_quarantined(self, path: str, name: str, report: "Report") -> None:
        """Reports a whole object in `damaged/` that is absent in its place."""
        if self._has_blob(name):
            return
        actual, _ = self._hash(path, path, report)
        if actual == name and not self._has_blob(name):
            problem = f"it is complete, but in {path}: a repair was interrupted"
            fix = f"move it to {layout.object_path(name)}, as aivcs verify --repair does"
            how = partial(repair.restore_object, self._folder, path, name)
            report.add(damage(name, problem, fix), how)

    def judge_object(self, path: str, name: str, report: "Report") -> None:
        """Reports an object whose bytes do not hash to its digest."""
        actual, size = self._hash(path, name, report)
        if not actual:
            return
        report.read.append(("blobs", size))
        if actual == name:
            return
        if actual[2:] == name[2:]:
            problem = f"{path} holds the content {actual}, so it is in the wrong folder"
            fix = f"move it to {layout.object_folder(actual)}/, as aivcs verify --repair does"
            how = partial(repair.move_object, self._folder, path, name)
        else:
            problem = f"the bytes of {path} hash to {actual}" if size else f"{path} is empty"
            fix = HEAL
            how = partial(repair.quarantine_object, self._folder, path, name)
        report.add(damage(name, problem, fix), how)

    def _hash(self, path: str, where: str, report: "Report") -> "tuple[str, int]":
        """Returns the SHA-256 and the size of a file; ("", 0) if it is gone or cannot be read.

        Args:
            path: The path of the file.
            where: For the report of a file that cannot be read.
            report: The report.
        """
        try:
            fd = files.open_file(self._folder.path(path), os.O_RDONLY)
            if fd is None:
                return "", 0
            try:
                return hash_file(fd), os.lseek(fd, 0, os.SEEK_CUR)
            finally:
                os.close(fd)
        except (BackendError, OSError) as error:
            report.add(unreadable(where, error))
            return "", 0
