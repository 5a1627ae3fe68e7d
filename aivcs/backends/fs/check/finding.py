"""The texts of findings about the files of a store."""

from stat import S_ISDIR, S_ISLNK, S_ISREG

from aivcs.log.verify_run import DAMAGE, NOTICE
from aivcs.store.finding import Finding

TYPE_CHECKING = False
if TYPE_CHECKING:
    from aivcs.errors import BackendError
    from aivcs.log.chain import Tail

_STRAY = "aivcs ignores it; move it out of the store, or aivcs verify --repair moves it to damaged/"
_FOLDER = "aivcs ignores it; move it out of the store"
FOREIGN = "find out who put it there, then replace it by the content, or remove it"
HEAL = (
    "put the same content again, which replaces it, or restore it from a copy; "
    "aivcs verify --repair moves it to damaged/, so that it is absent"
)
READ = "check owner, permissions and disk, then verify again"
EMPTY = "a crash left it before its first line: it counts as absent, and may be removed"


def truncated(name: str, lines: int, tail: "Tail") -> Finding:
    """Returns the finding for a log whose end is truncated, or lacks its newline."""
    if tail.unended:
        what = "the last line lacks its newline" + (
            f" and {len(tail.torn)} bytes of NULs follow it" if tail.torn else ""
        )
        return Finding(
            NOTICE, name, lines, what, "nothing is lost: the next append writes the newline"
        )
    what = f"behind the last whole line stand {len(tail.torn)} bytes of an interrupted write"
    if not lines:
        what = f"there is no whole line, only {len(tail.torn)} bytes of an interrupted write"
    if b"\n" in tail.torn:
        what += "; there are NULs among them, as file systems leave after a power cut"
    return Finding(
        NOTICE,
        name,
        lines + 1,
        what,
        "the next append keeps them aside in damaged/ and cuts them off; they were never "
        "acknowledged, unless the disk lost what it had confirmed",
    )


def missing_pin(digest: str, quarantined: "list[str]") -> Finding:
    """Returns the finding for a pinned blob that is absent.

    Args:
        digest: The digest of the blob.
        quarantined: The paths of the damaged objects that a repair moved out of its place.
    """
    problem = "it is pinned, so it is to be kept, but it is not in this store"
    if quarantined:
        problem += f"; the damaged bytes that stood in its place are in {', '.join(quarantined)}"
    fix = f"put the content again: aivcs blob put FILE; or let it go: aivcs blob unpin {digest}"
    return Finding(DAMAGE, digest, None, problem, fix)


def abandoned(where: str) -> Finding:
    """Returns the finding for an abandoned temporary file."""
    return Finding(
        NOTICE,
        where,
        None,
        "a temporary file was left by a process that was interrupted",
        "it holds nothing that was acknowledged: remove it, as aivcs verify --repair does",
    )


def out_of_place(where: str, mode: int, is_place: bool = False) -> Finding:
    """Returns the finding for a file or folder that does not belong in its place.

    Args:
        where: Its path below the store.
        mode: Its mode.
        is_place: Whether an object or a log belongs there.
    """
    if S_ISDIR(mode) and is_place:
        return Finding(DAMAGE, where, None, "a folder stands in the place of this file", FOREIGN)
    if S_ISLNK(mode):
        return Finding(DAMAGE, where, None, "it is a symbolic link; a store holds none", FOREIGN)
    if S_ISDIR(mode):
        return Finding(NOTICE, where, None, "this folder is no part of a store", _FOLDER)
    if S_ISREG(mode):
        return Finding(NOTICE, where, None, "this file is no part of a store", _STRAY)
    return Finding(
        DAMAGE, where, None, "it is a pipe, socket or device; a store holds none", FOREIGN
    )


def wrong_folder(where: str, run_id: str) -> Finding:
    """Returns the finding for the log of a run in the folder of other runs."""
    return Finding(
        DAMAGE,
        where,
        None,
        "the log stands in the wrong folder, where it is not looked for",
        f"move it to runs/{run_id[:2]}/",
    )


def unreadable(where: str, error: "OSError | BackendError") -> Finding:
    """Returns the finding for a file or folder that the system does not let be read."""
    reason = error.strerror if isinstance(error, OSError) else error
    return Finding(DAMAGE, where, None, f"it cannot be read: {reason}", READ)


def unlistable(where: str, error: "OSError | BackendError") -> Finding:
    """Returns the finding for a folder whose entries cannot be read."""
    if isinstance(error, OSError):
        return unreadable(where, error)
    return Finding(DAMAGE, where, None, str(error), FOREIGN)
