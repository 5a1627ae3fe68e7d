"""Lists the files below the root of an agent's repository that a spec may hold.

Files that git ignores, or that `.aivcsignore` or the caller excludes, are left out, and always
`*.local.*` and `.env`. Links within the root are followed, and files keep the path of the link. A
link out of the root is an error, since the same repository would be another agent elsewhere. Git
itself lists the files it ignores; without git, or outside its repositories, the `.gitignore` files
are read here.
"""

from __future__ import annotations

import os
import subprocess
from stat import S_ISDIR, S_ISLNK, S_ISREG
from typing import TYPE_CHECKING, NamedTuple

from aivcs.errors import BackendError, UsageError
from aivcs.specs.agent_files import may_hold_parts, part_of, why_never
from aivcs.specs.ignore import IgnoreList, ignored_by, parse_patterns
from aivcs.specs.manifest import REPOSITORIES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

AIVCSIGNORE = ".aivcsignore"
_GITIGNORE = ".gitignore"
_GENERATED = frozenset({"node_modules", "__pycache__", ".venv", "venv"})
"""Folders that are never searched for an agent, whether git ignores them or not."""
_MAX_LIST = 1 << 20
"""Bytes of a list of patterns, at most."""
_MAX_LINKS = 1000
"""Links to folders followed, at most: each may double the files to read."""
_MAX_DEPTH = 250
"""Depth of folders searched, at most: more than any path in a spec has."""
_GIT_TIMEOUT_S = 60
"""Seconds that git may take to list the files it ignores."""
_OF_A_REPOSITORY = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR", "GIT_PREFIX")
"""Variables set in git's hooks that would direct git to another repository than the root's."""


class Found(NamedTuple):
    """A file that a spec may hold.

    Attributes:
        path: The path below the root, in the system's encoding.
        real: The path of its bytes: the target, if `path` leads through links.
    """

    path: str
    real: bytes


class LeftOut(NamedTuple):
    """A file or folder that was left out.

    Attributes:
        path: The path below the root.
        why: The rule that left it out.
    """

    path: str
    why: str


class _Folder(NamedTuple):
    """A folder to read: its path, its real path, and the folders around it."""

    path: str
    real: bytes
    around: tuple[tuple[int, int], ...]


class _Entry(NamedTuple):
    """An entry of a folder: its real path, mode and identity, and the rule that leaves it out."""

    real: bytes
    mode: int
    identity: tuple[int, int]
    why: str
    is_link: bool


class WorkTree:
    """The files below a root.

    Attributes:
        root: The root, without links.
        left_out: The files and folders found so far and left out.
    """

    def __init__(self, root: str, *, store: str | None, excludes: Sequence[str] = ()) -> None:
        """Takes the root, and asks git what it ignores there.

        Args:
            root: A folder.
            store: The folder of the store, which is never part of an agent; None if it has none.
            excludes: Patterns as in .gitignore, applied after all others.

        Raises:
            UsageError: The root is not a folder.
        """
        self.root = os.fsencode(os.path.realpath(root))
        if not os.path.isdir(self.root):
            raise UsageError(f"the root {root!a} is not a folder")
        self.left_out: list[LeftOut] = []
        self._store = None if store is None else os.fsencode(os.path.realpath(store))
        self._excludes = IgnoreList("", parse_patterns(excludes), "--exclude")
        self._ignored = _ignored_by_git(self.root)
        self._lists: dict[tuple[str, str], list[IgnoreList]] = {}
        self._links = 0

    def locate(self, path: str, folder: str) -> str:
        """Returns a path given by the user relative to the root; empty for the root itself.

        Args:
            path: The path.
            folder: The folder that it is relative to, without links.

        Raises:
            UsageError: The path is empty, not valid, or outside the root.
        """
        if not path:
            raise UsageError("a PATH is empty; is a variable unset?")
        if "\0" in path:
            raise UsageError(f"{path!a} cannot be a path")
        whole = os.path.join(folder, path)
        candidates = [os.path.join(os.path.realpath(os.path.dirname(whole)), _last(whole))]
        if ".." not in whole.split("/"):  # else it is the links that say where it leads
            candidates.insert(0, os.path.normpath(whole))
        for candidate in candidates:
            inside = self._inside(os.fsencode(os.path.normpath(candidate)))
            if inside is not None:
                return inside
        raise UsageError(
            f"{path!a} is outside of the root {os.fsdecode(self.root)!a}, below which the files "
            "of a spec keep their paths; --root DIR names another"
        )

    def _is_in_store(self, real: bytes) -> bool:
        store = self._store
        return store is not None and (real == store or real.startswith(store + b"/"))

    def find(self, path: str) -> Found | None:
        """Returns the file or folder at a path below the root; None if there is none.

        Raises:
            UsageError: The path leads out of the root or into the store, or is never part of a
                spec.
            BackendError: The file system reports an error.
        """
        place = self._place(path)
        try:
            real = self._follow(path, place)
            mode = os.stat(real).st_mode
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise _unreadable(path, error) from error
        inside = self._inside(real) or ""
        if self._is_in_store(real):
            raise UsageError(
                f"{path!a} is in the store, which changes with everything that is stored; "
                "keep the agent's files apart from it"
            )
        for name in (*path.split("/"), *inside.split("/")):
            if why := why_never(name):
                raise UsageError(f"{path!a} is never part of a spec: {why}")
            if name.lower() in REPOSITORIES:
                raise UsageError(f"{path!a} is in a repository's own folder ({name})")
        if not S_ISDIR(mode) and not S_ISREG(mode):
            raise _irregular(path)
        return Found(path, real)

    def walk(self, start: str, *, strict: bool) -> Iterator[Found]:
        """Yields the files below a folder in the order of their names.

        Args:
            start: The folder, below the root.
            strict: Whether every entry counts; otherwise entries that agents do not read are
                skipped.

        Raises:
            UsageError: An entry that counts cannot be part of a spec: a pipe, a device, a link out
                of the root, a repository.
            BackendError: An entry cannot be read.
        """
        real = os.path.realpath(self._place(start))
        waiting = [_Folder(start, real, ())]
        while waiting:
            folder = waiting.pop()
            below = []
            for found in self._read(folder, strict=strict):
                if isinstance(found, _Folder):
                    below.append(found)
                else:
                    yield found
            waiting += reversed(below)

    def is_ignored(self, path: str) -> str:
        """Returns the rule that leaves out a file or a folder above it; empty if none does."""
        names = path.split("/")
        for count in range(1, len(names) + 1):
            why = self._why_not("/".join(names[:count]), is_folder=count < len(names))
            if why:
                return why
        return ""

    def _read(self, folder: _Folder, *, strict: bool) -> Iterator[Found | _Folder]:
        is_meant = strict or may_hold_parts(folder.path)
        try:
            # As bytes: what a name is must not depend on the locale.
            with os.scandir(folder.real) as entries:
                names = sorted(entry.name for entry in entries)
        except OSError as error:
            if is_meant:
                raise _unreadable(folder.path, error) from error
            self.left_out.append(LeftOut(folder.path, "it cannot be read"))
            return
        if folder.path and any(os.fsdecode(name).lower() in REPOSITORIES for name in names):
            if strict:
                raise UsageError(
                    f"{folder.path!a} is a repository; --exclude it, or make it the root"
                )
            self.left_out.append(LeftOut(folder.path, "it is a repository of its own"))
            return
        for name in names:
            entry = self._entry(folder, _decoded(name), strict=strict)
            if entry is not None:
                yield entry

    def _entry(self, folder: _Folder, name: str, *, strict: bool) -> Found | _Folder | None:
        """An entry of a folder, followed if it is a link; None if it is left out."""
        if name.lower() in REPOSITORIES or name == AIVCSIGNORE:
            return None
        if not strict and name in _GENERATED:
            return None
        path = f"{folder.path}/{name}" if folder.path else name
        is_meant = strict or part_of(path) is not None or may_hold_parts(path)
        try:
            entry = self._look(path, folder.real + b"/" + _encoded(name), is_meant=is_meant)
        except OSError as error:
            if not is_meant:
                return None
            raise _unreadable(path, error) from error
        if entry.real == self._store or entry.mode == 0:
            return None
        if entry.why:
            if is_meant or why_never(name):
                self.left_out.append(LeftOut(path, entry.why))
            return None
        if S_ISDIR(entry.mode):
            return self._enter(folder, path, entry)
        if S_ISREG(entry.mode):
            return Found(path, entry.real)
        if is_meant:
            raise _irregular(path)
        return None

    def _look(self, path: str, place: bytes, *, is_meant: bool) -> _Entry:
        """The entry at a path, or at the target of a link; None for a link that does not count."""
        state = os.lstat(place)
        is_link = S_ISLNK(state.st_mode)
        if is_link and not is_meant:
            return _Entry(place, 0, (0, 0), "", is_link=True)
        why = self._why_not(path, is_folder=S_ISDIR(state.st_mode))
        if is_link and not why:
            place = self._follow(path, place)
            state = os.stat(place)
            why = self._why_target_not(place)
        return _Entry(place, state.st_mode, (state.st_dev, state.st_ino), why, is_link=is_link)

    def _enter(self, folder: _Folder, path: str, entry: _Entry) -> _Folder:
        self._links += entry.is_link
        if entry.is_link and entry.identity in folder.around:
            raise UsageError(f"{path!a} is a link to a folder around it, so it never ends")
        if self._links > _MAX_LINKS or len(folder.around) > _MAX_DEPTH:
            raise UsageError(f"{path!a}: too many folders inside one another, or links to folders")
        around = folder.around
        if not around:
            here = os.stat(folder.real)
            around = ((here.st_dev, here.st_ino),)
        return _Folder(path, entry.real, (*around, entry.identity))

    def _follow(self, path: str, link: bytes) -> bytes:
        """The target of a link, which must be inside the root."""
        real = os.path.realpath(link)
        try:
            os.stat(link)
        except FileNotFoundError:
            if os.path.islink(link):
                raise UsageError(f"{path!a} is a link to nothing; --exclude it") from None
            raise
        if self._inside(real) is None:
            raise UsageError(
                f"{path!a} is a link out of the root {os.fsdecode(self.root)!a}, so it would be "
                "something else elsewhere; copy what it leads to, or --exclude it"
            )
        return real

    def _why_not(self, path: str, *, is_folder: bool) -> str:
        """The rule that leaves out a path itself; empty if none does."""
        name = path.rpartition("/")[2]
        if why := why_never(name):
            return why
        folder = path.rpartition("/")[0]
        git: Sequence[IgnoreList] = ()
        if self._ignored is None:
            git = self._lists_above(folder, _GITIGNORE)
        elif _encoded(path) in self._ignored:
            # What .aivcsignore or --exclude takes back in is meant to be in.
            git = [IgnoreList("", parse_patterns(["**"]), _WHY_GIT)]
        lists = [*git, *self._lists_above(folder, AIVCSIGNORE), self._excludes]
        return ignored_by(path, lists, is_folder=is_folder)

    def _why_target_not(self, real: bytes) -> str:
        inside = self._inside(real)
        return self.is_ignored(inside) if inside else ""

    def _lists_above(self, folder: str, name: str) -> list[IgnoreList]:
        """The lists with a file name that apply in a folder, the root's first."""
        known = self._lists.get((folder, name))
        if known is None:
            above = self._lists_above(folder.rpartition("/")[0], name) if folder else []
            lines = _read_list(self._place(f"{folder}/{name}" if folder else name))
            source = _WHY_GIT if name == _GITIGNORE else name
            more = [IgnoreList(folder, parse_patterns(lines), source)] if lines else []
            if not folder and name == _GITIGNORE:
                lines = _read_list(self.root + b"/.git/info/exclude")
                more.insert(0, IgnoreList("", parse_patterns(lines), source))
            known = self._lists[folder, name] = [*above, *more]
        return known

    def _place(self, path: str) -> bytes:
        return self.root + b"/" + _encoded(path) if path else self.root

    def _inside(self, place: bytes) -> str | None:
        """A path relative to the root; None if it is outside."""
        if place == self.root:
            return ""
        root = self.root.rstrip(b"/") + b"/"
        return _decoded(place[len(root) :]) if place.startswith(root) else None


_WHY_GIT = "git ignores it"


def find_root(folder: str, home: str) -> str:
    """Returns the root of the repository around a folder: the nearest one with `.git` or `.aivcs`.

    A home is not an agent's repository, although it may have a store: the home and folders above it
    count only if they are the folder itself.
    """
    place = folder
    while place not in {home, "/"}:
        if any(os.path.lexists(os.path.join(place, name)) for name in REPOSITORIES):
            return place
        place = os.path.dirname(place)
    return folder


def modes_in_index(root: bytes) -> dict[bytes, str] | None:
    """Returns the file modes that git records below a root; None if the modes on disk count.

    Git's count if `core.fileMode` is false, because the file system does not keep modes.
    """
    if _ask_git(root, "config", "--type=bool", "core.fileMode") != b"false\n":
        return None
    listed = _ask_git(root, "ls-files", "--stage", "-z") or b""
    modes = {}
    for line in listed.split(b"\0"):
        state, _, path = line.partition(b"\t")
        modes[path] = "755" if state.startswith(b"100755") else "644"
    return modes


def _ignored_by_git(root: bytes) -> set[bytes] | None:
    """The paths below a root that git ignores, a folder for all in it; None if git fails."""
    told = _ask_git(
        root, "ls-files", "--others", "--ignored", "--exclude-standard", "--directory", "-z"
    )
    if told is None:
        return None
    paths = {path.rstrip(b"/") for path in told.split(b"\0") if path}
    return None if b"." in paths else paths  # the root itself is ignored by a repository around it


def _ask_git(root: bytes, *arguments: str) -> bytes | None:
    environment = {
        name: value for name, value in os.environ.items() if name not in _OF_A_REPOSITORY
    }
    try:
        done = subprocess.run(
            # A file system monitor is a command that the repository's configuration names.
            [b"git", b"-C", root, b"-c", b"core.fsmonitor=false", *map(str.encode, arguments)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=_GIT_TIMEOUT_S,
            env=environment,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    # Where SIGCHLD is ignored, which processes inherit, every exit code reads as 0: a failure then
    # still says something.
    return done.stdout if done.returncode == 0 and not done.stderr else None


def _read_list(path: bytes) -> list[str]:
    """The lines of a list of patterns; [] if there is no such file."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        with open(fd, "rb") as file:
            if not S_ISREG(os.fstat(fd).st_mode):
                return []
            data = file.read(_MAX_LIST + 1)
    except OSError as error:
        if isinstance(error, PermissionError):
            raise _unreadable(os.fsdecode(path), error) from error
        return []
    if len(data) > _MAX_LIST:
        raise UsageError(f"{os.fsdecode(path)!a} has more than {_MAX_LIST} bytes")
    return _decoded(data.removeprefix(b"\xef\xbb\xbf")).split("\n")


def _unreadable(path: str, error: OSError) -> BackendError | UsageError:
    from errno import ELOOP

    if error.errno == ELOOP:
        return UsageError(f"{path!a} is a link that leads to itself")
    if isinstance(error, FileNotFoundError):
        return BackendError(f"{path!a} vanished while it was read; try again")
    return BackendError(f"cannot read {path!a}: {error.strerror}")


def _irregular(path: str) -> UsageError:
    return UsageError(
        f"{path!a} is a pipe, a socket or a device, which cannot be read again; "
        "keep it in a file, or --exclude it"
    )


def _last(path: str) -> str:
    """The last name of a path, `.` if it ends in a slash."""
    return os.path.basename(path) or "."


def _decoded(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")


def _encoded(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")
