"""Judging an object: whether its bytes are the content of its digest."""

import os
from functools import partial

from aivcs.backends.fs import files, layout
from aivcs.backends.fs.check import repair
from aivcs.backends.fs.check.finding import HEAL, unreadable
from aivcs.backends.fs.objects import hash_file
from aivcs.errors import BackendError
from aivcs.log.verify_run import DAMAGE
from aivcs.store.finding import Finding

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
        try:
            fd = files.open_file(self._folder.path(path), os.O_RDONLY)
            if fd is None:
                return
            try:
                is_whole = hash_file(fd) == name
            finally:
                os.close(fd)
        except (BackendError, OSError) as error:
            report.add(unreadable(path, error))
            return
        if is_whole and not self._has_blob(name):
            report.add(
                Finding(
                    DAMAGE,
                    name,
                    None,
                    f"it is whole, but stands in {path}: a repair was interrupted",
                    f"move it to {layout.object_path(name)}, as aivcs verify --repair does",
                ),
                partial(repair.restore_object, self._folder, path, name),
            )

    def judge_object(self, path: str, name: str, report: "Report") -> None:
        """Reports an object whose bytes do not hash to its digest."""
        try:
            fd = files.open_file(self._folder.path(path), os.O_RDONLY)
        except BackendError as error:
            report.add(unreadable(name, error))
            return
        if fd is None:
            return
        try:
            actual = hash_file(fd)
            size = os.lseek(fd, 0, os.SEEK_CUR)
        except OSError as error:
            report.add(unreadable(name, error))
            return
        finally:
            os.close(fd)
        report.read.append(("blobs", size))
        if actual == name:
            return
        if actual[2:] == name[2:]:
            report.add(
                Finding(
                    DAMAGE,
                    name,
                    None,
                    f"{path} holds the content {actual}, so it stands in the wrong folder",
                    f"move it to objects/{actual[:2]}/, as aivcs verify --repair does",
                ),
                partial(repair.move_object, self._folder, path, name),
            )
            return
        problem = f"the bytes of {path} hash to {actual}" if size else f"{path} is empty"
        report.add(
            Finding(DAMAGE, name, None, problem, HEAL),
            partial(repair.quarantine_object, self._folder, path, name),
        )
