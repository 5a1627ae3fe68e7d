"""The words for what can be wrong with the files of a store."""

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


def torn(name: str, lines: int, tail: "Tail") -> Finding:
    """Returns the finding for the end of a log that is torn, or lacks its newline."""
    if tail.unterminated:
        what = "the last line lacks its newline" + (
            f" and {len(tail.truncated)} bytes of NULs follow it" if tail.truncated else ""
        )
        return Finding(
            NOTICE, name, lines, what, "nothing is lost: the next append writes the newline"
        )
    what = f"behind the last whole line stand {len(tail.truncated)} bytes of an interrupted write"
    if not lines:
        what = f"there is no whole line, only {len(tail.truncated)} bytes of an interrupted write"
    if b"\n" in tail.truncated:
        what += "; there are NULs among them, as file systems leave after a power cut"
    return Finding(
        NOTICE,
        name,
        lines + 1,
        what,
        "the next append keeps them aside in damaged/ and cuts them off; they were never "
        "acknowledged, unless the disk lost what it had confirmed",
    )


def unkept(digest: str, aside: "list[str]") -> Finding:
    """Returns the finding for a blob that is pinned and absent, though bytes of it may be aside."""
    problem = "it is pinned, so it is to be kept, but it is not in this store"
    if aside:
        problem += f"; the damaged bytes that stood in its place are in {', '.join(aside)}"
    remedy = f"put the content again: aivcs blob put FILE; or let it go: aivcs blob unpin {digest}"
    return Finding(DAMAGE, digest, None, problem, remedy)


def leftover(where: str) -> Finding:
    """Returns the finding for a temporary file of a process that is gone."""
    return Finding(
        NOTICE,
        where,
        None,
        "a temporary file was left by a process that was interrupted",
        "it holds nothing that was acknowledged: remove it, as aivcs verify --repair does",
    )


def misfit(where: str, mode: int, *, is_place: bool = False) -> Finding:
    """Returns the finding for what a store does not hold: not here, or not of this kind.

    Args:
        where: Its path below the store.
        mode: What it is.
        is_place: Whether this is the place of an object or of a log.
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


def unreadable(where: str, error: "OSError | BackendError") -> Finding:
    """Returns the finding for what the system does not let be read."""
    reason = error.strerror if isinstance(error, OSError) else error
    return Finding(DAMAGE, where, None, f"it cannot be read: {reason}", READ)
