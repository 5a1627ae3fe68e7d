"""One thing that is wrong with a store, and the words for what can be."""

import os
from stat import S_ISDIR, S_ISLNK, S_ISREG

from aivcs.log.verify_run import DAMAGE, NOTICE
from aivcs.model import Record

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


class Finding(Record):
    """One thing that is wrong with a store, or worth knowing.

    Attributes:
        severity: "damage" or "notice"; a notice loses nothing.
        where: The digest of an object, or a path below the store.
        line: The number of the line in a log, from 1; None where it is not about one.
        problem: What is wrong, in one sentence.
        remedy: What can be done.
        repaired: What was done to repair it, or None if nothing was.
    """

    __slots__ = ("severity", "where", "line", "problem", "remedy", "repaired")  # noqa: RUF023 as one reads them
    severity: str
    where: str
    line: "int | None"
    problem: str
    remedy: str
    repaired: "str | None"

    def __init__(
        self,
        severity: str,
        where: str,
        line: "int | None",
        problem: str,
        remedy: str,
        repaired: "str | None" = None,
    ) -> None:
        """Takes the fields as they are."""
        # A file's name may be no text at all.
        where = os.fsencode(where).decode(errors="backslashreplace")
        self._fill(severity, where, line, problem, remedy, repaired)

    @property
    def is_open(self) -> bool:
        """Whether it is damage that is still there."""
        return self.severity == DAMAGE and self.repaired is None


def torn(name: str, lines: int, tail: "Tail") -> Finding:
    """Returns the finding for the end of a log that is torn, or lacks its newline."""
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
