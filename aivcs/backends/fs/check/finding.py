"""The findings that only a folder has: interrupted writes, misplaced files, modes."""

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


def damage(where: str, problem: str, fix: str, line: "int | None" = None) -> Finding:
    """Returns a finding of damage."""
    return Finding(DAMAGE, where, line, problem, fix)


def notice(where: str, problem: str, fix: str, line: "int | None" = None) -> Finding:
    """Returns a finding that loses nothing."""
    return Finding(NOTICE, where, line, problem, fix)


def truncated(name: str, lines: int, tail: "Tail") -> Finding:
    """Returns the finding for a log whose end is truncated, or lacks its newline."""
    if tail.unterminated:
        what = "the last line lacks its newline"
        if tail.truncated:
            what += f" and {len(tail.truncated)} bytes of NULs follow it"
        return notice(name, what, "nothing is lost: the next append writes the newline", lines)
    what = f"{len(tail.truncated)} bytes of an interrupted write follow the last complete line"
    if not lines:
        what = f"the log is {len(tail.truncated)} bytes of an interrupted write, no complete line"
    if b"\n" in tail.truncated:
        what += "; some are NULs, as file systems leave after a power cut"
    fix = (
        "the next append moves them to damaged/; they were never acknowledged, unless "
        "the disk lost what it had confirmed"
    )
    return notice(name, what, fix, lines + 1)


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
    return damage(digest, problem, fix)


def abandoned(where: str) -> Finding:
    """Returns the finding for an abandoned temporary file."""
    problem = "a temporary file was left by a process that was interrupted"
    fix = "it holds nothing that was acknowledged: remove it, as aivcs verify --repair does"
    return notice(where, problem, fix)


def absent_folder(name: str) -> Finding:
    """Returns the finding for an absent folder of logs in a store with blobs."""
    fix = "restore or mount it if it had logs; else aivcs init makes it; until then gc is refused"
    return notice(name, f"the folder of all {name} is missing; git leaves out an empty one", fix)


def out_of_place(where: str, mode: int, is_place: bool = False) -> Finding:
    """Returns the finding for a file or folder that does not belong in its place.

    Args:
        where: Its path below the store.
        mode: Its mode.
        is_place: Whether an object or a log belongs there.
    """
    if S_ISDIR(mode) and is_place:
        return damage(where, "a folder is in the place of this file", FOREIGN)
    if S_ISLNK(mode):
        return damage(where, "it is a symbolic link; a store holds none", FOREIGN)
    if S_ISDIR(mode):
        return notice(where, "this folder is not part of a store", _FOLDER)
    if S_ISREG(mode):
        return notice(where, "this file is not part of a store", _STRAY)
    return damage(where, "it is a pipe, socket or device; a store holds none", FOREIGN)


def wrong_folder(where: str, run_id: str) -> Finding:
    """Returns the finding for the log of a run in the folder of other runs."""
    problem = "the log is in the wrong folder, where no command looks for it"
    return damage(where, problem, f"move it to runs/{run_id[:2]}/")


def unreadable(where: str, error: "OSError | BackendError") -> Finding:
    """Returns the finding for a file or folder that the system does not let be read."""
    reason = error.strerror if isinstance(error, OSError) else error
    return damage(where, f"it cannot be read: {reason}", READ)


def unlistable(where: str, error: "OSError | BackendError") -> Finding:
    """Returns the finding for a folder whose entries cannot be read."""
    if isinstance(error, OSError):
        return unreadable(where, error)
    return damage(where, str(error), FOREIGN)
