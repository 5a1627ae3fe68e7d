"""Names of releases that a file system which ignores case takes for one."""

import os

from aivcs.backends.fs import files
from aivcs.errors import ConflictError, StorageError
from aivcs.log import chain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from aivcs.backends.fs.folder import Folder

_FIRST_LINE = 1 << 16
"""Bytes that the first line of a release log has, at most, as far as this looks."""


def explain(folder: "Folder", file: str) -> None:
    """Tells a log of another name from damage.

    Args:
        folder: The store's folder.
        file: The path of a release log that seems to be damaged.

    Raises:
        ConflictError: It is the log of a name that differs in case only.
    """
    name = file.removeprefix("releases/").removesuffix(".jsonl")
    if name == file[: -len(".jsonl")]:
        return  # a run's, whose name has but one spelling
    try:
        fd = files.open_file(folder.path(file), os.O_RDONLY)
        if fd is None:
            return
        try:
            line, _, _ = os.read(fd, _FIRST_LINE).partition(b"\n")
        finally:
            files.close(fd)
        other = chain.members(line).get("name")
        is_alias = (
            isinstance(other, str)
            and other != name
            and other.casefold() == name.casefold()
            and os.path.samefile(folder.path(file), folder.path(f"releases/{other}.jsonl"))
        )
    except (StorageError, OSError):
        return  # then it is what it seemed
    if is_alias:
        raise _same_but_case(name, str(other))


def require_new(folder: "Folder", file: str) -> None:
    """Refuses the path of a new log in a folder that is there in another case.

    Raises:
        ConflictError: The file system takes both for one.
    """
    at, spelled = folder.root, ""
    for part in file.split("/")[:-1]:
        with files.doing("list", at):
            try:
                names = os.listdir(at)
            except FileNotFoundError:
                return  # it is new
        if part not in names and os.path.lexists(f"{at}/{part}"):
            other = next((one for one in names if one.casefold() == part.casefold()), part)
            raise _same_but_case(f"{spelled}{part}/", f"{spelled}{other}/")
        at = f"{at}/{part}"
        spelled = f"{spelled}{part}/" if at != folder.path("releases") else ""


def _same_but_case(name: str, other: str) -> ConflictError:
    return ConflictError(
        f"{name!r} and {other!r}, which is there, differ in case only, and the file system of this "
        f"store takes them for one: use {other!r}, or another name"
    )
