"""Judging an object: whether its bytes are the content that its name says."""

import os
from functools import partial

from aivcs.backends.fs import files, repair
from aivcs.backends.fs.blobs import hash_file
from aivcs.backends.fs.finding import HEAL, Finding, unreadable
from aivcs.errors import BackendError
from aivcs.log.verify_run import DAMAGE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from aivcs.backends.fs.folder import Folder
    from aivcs.backends.fs.places import Places
    from aivcs.backends.fs.report import Report


class ObjectCheck:
    """Judges objects, in any thread."""

    __slots__ = ("_folder", "_places")

    def __init__(self, folder: "Folder", places: "Places") -> None:
        """Takes the store's folder and its places."""
        self._folder = folder
        self._places = places

    def judging_kept(self, name: str, digest: str) -> "Callable[[Report], None]":
        """Returns what judges whether an object is only in `damaged/`, as a repair left it."""

        def judge(report: "Report") -> None:
            if self._places.has_blob(digest):
                return
            try:
                fd = files.open_file(self._folder.path(name), os.O_RDONLY)
                if fd is None:
                    return
                try:
                    is_whole = hash_file(fd) == digest
                finally:
                    os.close(fd)
            except (BackendError, OSError) as error:
                report.add(unreadable(name, error))
                return
            if is_whole and not self._places.has_blob(digest):
                report.add(
                    Finding(
                        DAMAGE,
                        digest,
                        None,
                        f"it is whole, but stands in {name}: a repair was interrupted",
                        f"move it to {repair.object_name(digest)}, as aivcs verify --repair does",
                    ),
                    partial(repair.restore_object, self._folder, name, digest),
                )

        return judge

    def judging(self, name: str, digest: str) -> "Callable[[Report], None]":
        """Returns what judges an object in its place."""
        return lambda report: self._judge(report, name, digest)

    def _judge(self, report: "Report", name: str, digest: str) -> None:
        try:
            fd = files.open_file(self._folder.path(name), os.O_RDONLY)
        except BackendError as error:
            report.add(unreadable(digest, error))
            return
        if fd is None:
            return
        try:
            actual = hash_file(fd)
            size = os.lseek(fd, 0, os.SEEK_CUR)
        except OSError as error:
            report.add(unreadable(digest, error))
            return
        finally:
            os.close(fd)
        report.read.append(("blobs", size))
        if actual == digest:
            return
        if actual[2:] == digest[2:]:
            report.add(
                Finding(
                    DAMAGE,
                    digest,
                    None,
                    f"{name} holds the content {actual}, so it stands in the wrong folder",
                    f"move it to objects/{actual[:2]}/, as aivcs verify --repair does",
                ),
                partial(repair.move_object, self._folder, name, digest),
            )
            return
        problem = f"the bytes of {name} hash to {actual}" if size else f"{name} is empty"
        report.add(
            Finding(DAMAGE, digest, None, problem, HEAL),
            partial(repair.set_object_aside, self._folder, name, digest),
        )
