"""Reads a git repository: commits, their trailers, and who wrote a line."""

from __future__ import annotations

import os
import subprocess
from typing import NamedTuple

from aivcs.errors import BackendError, NotFoundError

TRAILER = "Aivcs-Run"
"""The trailer of a commit that names the run in which it was made."""
_TIMEOUT_S = 60
"""Seconds that git may take to answer."""
_OF_A_REPOSITORY = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR", "GIT_PREFIX")
"""Variables set in git's hooks that would direct git to another repository than the folder's."""
_NOT_COMMITTED = frozenset("0")


class Commit(NamedTuple):
    """A commit.

    Attributes:
        sha: Its name, in full.
        author: Name of its author.
        at: The author's time, RFC 3339.
        summary: The first line of its message.
        run_ids: The runs that its trailers name, in their order.
    """

    sha: str
    author: str
    at: str
    summary: str
    run_ids: tuple[str, ...]


def ask(folder: str, *words: str) -> str | None:
    """Returns what git prints in a folder; None if it refuses.

    Raises:
        BackendError: git is not installed, or does not answer.
    """
    environment = {
        name: value for name, value in os.environ.items() if name not in _OF_A_REPOSITORY
    }
    # A file system monitor, a program for signatures, and (in `find_change`) one that makes text of
    # files are commands of the repository's.
    command = ["git", "-C", folder, "-c", "core.fsmonitor=false", "-c", "log.showSignature=false"]
    try:
        done = subprocess.run(
            [*command, *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=_TIMEOUT_S,
            env=environment | {"GIT_OPTIONAL_LOCKS": "0"},
        )
    except FileNotFoundError as error:
        raise BackendError("git is not installed, or not in PATH") from error
    except (OSError, subprocess.SubprocessError) as error:
        raise BackendError(f"git does not answer: {error}") from error
    return done.stdout.decode(errors="replace") if done.returncode == 0 else None


def require_repository(folder: str) -> None:
    """Requires that a folder is in a git repository.

    Raises:
        BackendError: git is not installed.
        NotFoundError: It is in none.
    """
    if ask(folder, "rev-parse", "--git-dir") is None:
        raise NotFoundError(folder, f"{folder[:200]!a} is not in a git repository")


def find_commit(folder: str, revision: str) -> Commit:
    """Returns the commit that a revision names.

    Raises:
        BackendError: git is not installed.
        NotFoundError: There is no such commit, or no repository.
    """
    require_repository(folder)
    sha = None
    if revision and not revision.startswith("-"):
        sha = ask(folder, "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}")
    if sha is None:
        raise NotFoundError(revision, f"git knows no commit {revision[:80]!a} here")
    form = f"%H%n%an%n%aI%n%s%n%(trailers:key={TRAILER},valueonly,unfold)"
    told = ask(folder, "log", "-1", f"--format={form}", sha.strip(), "--") or ""
    lines = [*told.split("\n"), "", "", "", ""]
    run_ids = dict.fromkeys(filter(None, map(str.strip, lines[4:])))
    return Commit(lines[0], lines[1], lines[2], lines[3], tuple(run_ids))


class Change(NamedTuple):
    """The commit that last changed a line or a file.

    Attributes:
        commit: The commit.
        text: The line; None for a file.
        name: The name of the file in that commit, without its folder.
    """

    commit: Commit
    text: str | None
    name: str


def find_change(folder: str, file: str, line: int | None) -> Change:
    """Returns the change that a line comes from; without line, the file's last one.

    Raises:
        BackendError: git is not installed.
        NotFoundError: Git has no such file or line, or it is not committed yet.
    """
    require_repository(folder)
    if line is None:
        told = ask(folder, "log", "-1", "--format=%H", "--", file)
        if not told:
            raise NotFoundError(file, f"git has no commit of {file[:200]!a} here")
        return Change(find_commit(folder, told.strip()), None, os.path.basename(file))
    told = ask(
        folder, "-c", "core.quotePath=false",
        "blame", "--no-textconv", "--porcelain", f"-L{line},{line}", "--", file,
    )  # fmt: skip
    if told is None:
        raise NotFoundError(file, f"git has no line {line} of {file[:200]!a} here")
    sha = told.split(" ", 1)[0]
    if set(sha) <= _NOT_COMMITTED:
        raise NotFoundError(file, f"line {line} of {file[:200]!a} is not committed yet")
    text, name = "", os.path.basename(file)
    for each in told.split("\n"):
        if each.startswith("\t"):
            text = each[1:]
            break
        if each.startswith("filename "):
            name = each.rpartition("/")[2].removeprefix("filename ").removesuffix('"')
    return Change(find_commit(folder, sha), text, name)
