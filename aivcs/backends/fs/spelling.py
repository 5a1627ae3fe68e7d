"""Names of logs that a file system takes for one: it ignores case, or how letters are composed."""

import os

from aivcs.backends.fs import files
from aivcs.backends.fs.lines import FileLogView
from aivcs.errors import ConflictError, StorageError
from aivcs.log.chain import members

TYPE_CHECKING = False
if TYPE_CHECKING:
    from aivcs.backends.fs.folder import Folder


def other_spelling(folder: "Folder", name: str) -> "ConflictError | None":
    """Returns the error if the log of a release is found under another name of its; else None.

    Args:
        folder: The store's folder.
        name: The path of the log, `releases/<name>.jsonl`.
    """
    wanted = name.removeprefix("releases/").removesuffix(".jsonl")
    try:
        fd = files.open_file(folder.path(name), os.O_RDONLY)
        if fd is None:
            return None
        try:
            other = members(FileLogView(fd, name).first()).get("name")
        finally:
            files.close(fd)
        if (
            isinstance(other, str)
            and other != wanted
            and other.casefold() == wanted.casefold()
            and os.path.samefile(folder.path(name), folder.path(f"releases/{other}.jsonl"))
        ):
            return _same_but_case(wanted, other)
    except (StorageError, OSError):
        pass  # then it is what it seemed
    return None


def require_spelling(folder: "Folder", name: str) -> None:
    """Refuses the path of a new log if one of its folders is there in another case.

    Raises:
        ConflictError: The file system takes both for one.
    """
    at, spelled = folder.path("releases"), ""
    for part in name.split("/")[1:-1]:
        try:
            names = os.listdir(at)
        except OSError:
            return  # it is new
        if part not in names and os.path.lexists(f"{at}/{part}"):
            other = next((one for one in names if one.casefold() == part.casefold()), part)
            raise _same_but_case(f"{spelled}{part}/", f"{spelled}{other}/")
        at, spelled = f"{at}/{part}", f"{spelled}{part}/"


def _same_but_case(name: str, other: str) -> ConflictError:
    return ConflictError(
        f"{name!r} and {other!r}, which is there, differ in case only, and the file system of this "
        f"store takes them for one: use {other!r}, or another name"
    )
