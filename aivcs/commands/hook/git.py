"""The hook of git that writes the trailer `Aivcs-Run` into commits made inside a run.

A hook that is there already is kept under another name, byte for byte, and called first; its exit
code is that of ours. Ours never fails a commit by itself.
"""

from __future__ import annotations

import os
from typing import NamedTuple

from aivcs.commands.git import TRAILER, ask, require_repository
from aivcs.errors import BackendError, UsageError

NAME = "commit-msg"
KEPT = f"{NAME}.before-aivcs"
_MARK = b"# written by: aivcs hook install git\n"
_SCRIPT = f"""\
#!/bin/sh
# written by: aivcs hook install git
# Writes the trailer {TRAILER} into commits made inside a run; removed by: aivcs hook uninstall git
before="${{0%/*}}/{KEPT}"
if [ -x "$before" ]; then
    "$before" "$@" || exit $?
fi
case "$AIVCS_RUN" in
'' | *[!A-Za-z0-9._@:+-]*) exit 0 ;;
esac
command -v aivcs >/dev/null 2>&1 || exit 0
# An empty message stops a commit, and is to do so still.
sed '/^. -* >8 -*$/,$d' "$1" 2>/dev/null | git stripspace --strip-comments 2>/dev/null |
    grep -q . || exit 0
# Without it the trailer would be a part of the last line, as in the message of a merge.
[ -z "$(tail -c 1 "$1" 2>/dev/null)" ] || echo >>"$1"
git -c trailer.separators=: interpret-trailers --in-place --if-exists addIfDifferent \\
    --trailer "{TRAILER}: $AIVCS_RUN" "$1" >/dev/null 2>&1
exit 0
""".encode()


class Installed(NamedTuple):
    """The result of installing or removing a hook.

    Attributes:
        path: The hook.
        is_changed: Whether anything was changed.
        kept: The hook that ours calls first, if there is one.
    """

    path: str
    is_changed: bool
    kept: str | None


def install(folder: str) -> Installed:
    """Installs the hook in the repository of a folder; repeating it is harmless.

    Raises:
        NotFoundError: The folder is in no repository.
        UsageError: There are a foreign hook, and one that was kept before.
        BackendError: It cannot be written, or git is not installed.
    """
    path, kept = _paths(folder)
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        there = _read(path)
        if there == _SCRIPT and os.access(path, os.X_OK):
            return Installed(path, False, kept if os.path.lexists(kept) else None)
        is_foreign = os.path.lexists(path) and not _is_ours(there)
        if is_foreign and os.path.lexists(kept):
            raise UsageError(f"{path} is foreign, and {kept} is there already; move one away")
        temporary = f"{path}.aivcs-{os.getpid()}"
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o777)
        try:
            with open(fd, "wb") as file:
                file.write(_SCRIPT)
                file.flush()
                os.fsync(file.fileno())
            if is_foreign:
                os.rename(path, kept)
            os.replace(temporary, path)
        except BaseException:
            os.unlink(temporary)
            raise
    except OSError as error:
        raise BackendError(f"cannot write {path}: {error.strerror}") from error
    return Installed(path, True, kept if os.path.lexists(kept) else None)


def uninstall(folder: str) -> Installed:
    """Removes the hook, and puts back the one that was there before.

    Raises:
        NotFoundError: The folder is in no repository.
        BackendError: It cannot be removed, or git is not installed.
    """
    path, kept = _paths(folder)
    try:
        if not _is_ours(_read(path)):
            return Installed(path, False, None)
        if os.path.lexists(kept):
            os.replace(kept, path)
        else:
            os.unlink(path)
    except OSError as error:
        raise BackendError(f"cannot remove {path}: {error.strerror}") from error
    return Installed(path, True, None)


def _paths(folder: str) -> tuple[str, str]:
    """The hook that git calls, in this worktree and by this configuration, and the kept one."""
    require_repository(folder)
    told = ask(folder, "rev-parse", "--git-path", "hooks")
    if not told:
        raise BackendError(f"git does not say where the hooks of {folder} are")
    hooks = os.path.join(folder, told.rstrip("\n"))
    return os.path.join(hooks, NAME), os.path.join(hooks, KEPT)


def _read(path: str) -> bytes | None:
    try:
        with open(path, "rb") as file:
            return file.read(1 << 16)
    except FileNotFoundError:
        return None


def _is_ours(content: bytes | None) -> bool:
    return content is not None and _MARK in content[:200]
