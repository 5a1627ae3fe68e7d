"""Release names that differ in case only, on a file system that ignores case."""

import os

from aivcs.backends.fs import files, layout
from aivcs.errors import ConflictError, StorageError
from aivcs.log import chain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from aivcs.backends.fs.folder import Folder

_MAX_FIRST_LINE = 1 << 16
"""Bytes of the first line of a release log that are read."""


def explain(folder: "Folder", file: str) -> None:
    """Refuses a log that only seems damaged, because it is the log of another name.

    Args:
        folder: The store's folder.
        file: The path of the log.

    Raises:
        ConflictError: It is the log of a name that differs in case only.
    """
    name = layout.release_name_of(file)
    if not name:
        return  # the log of a run, whose id has one spelling only
    try:
        fd = files.open_file(folder.path(file), os.O_RDONLY)
        if fd is None:
            return
        try:
            line, _, _ = os.read(fd, _MAX_FIRST_LINE).partition(b"\n")
        finally:
            files.close(fd)
        other = chain.members(line).get("name")
        is_alias = (
            isinstance(other, str)
            and other != name
            and other.casefold() == name.casefold()
            and os.path.samefile(folder.path(file), folder.path(layout.release_path(other)))
        )
    except (StorageError, OSError):
        return  # then it is damaged
    if is_alias:
        raise _same_but_case(name, str(other))


def require_new(folder: "Folder", file: str) -> None:
    """Refuses the path of a new log whose folder exists in another case.

    Raises:
        ConflictError: The file system takes both for one.
    """
    at, spelled = folder.root, ""
    for part in file.split("/")[:-1]:
        with files.os_errors("list", at):
            try:
                names = os.listdir(at)
            except FileNotFoundError:
                return  # it is new
        # Without such another name, somebody has made this very folder since it was listed.
        other = next((one for one in names if one.casefold() == part.casefold()), part)
        if part not in names and other != part and os.path.lexists(f"{at}/{part}"):
            raise _same_but_case(f"{spelled}{part}/", f"{spelled}{other}/")
        at = f"{at}/{part}"
        spelled = f"{spelled}{part}/" if at != folder.path(layout.RELEASES) else ""


def _same_but_case(name: str, other: str) -> ConflictError:
    return ConflictError(
        f"{name!r} and {other!r}, which is there, differ in case only, and the file system of this "
        f"store takes them for one: use {other!r}, or another name"
    )
