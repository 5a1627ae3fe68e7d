"""Finds the actor and the commit: from the CI system, from git, or from the machine."""

import os

from aivcs.errors import UsageError
from aivcs.model.digest import is_hex

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal

    from aivcs.cli.session.context import Context
else:
    import _signal as signal  # without the enumerations, which cost a third of a start

_COMMIT_VARIABLES = ("GITHUB_SHA", "CI_COMMIT_SHA", "GIT_COMMIT")
_ACTOR_VARIABLES = (
    "AIVCS_ACTOR",
    "GITHUB_ACTOR",
    "GITLAB_USER_LOGIN",
    "BUILD_USER_ID",  # Jenkins
    "CIRCLE_USERNAME",
    "BUILDKITE_BUILD_CREATOR",
)


_DIRTY_SUFFIX = "+dirty"
"""The suffix of a commit if tracked files differ from it."""
_GIT_TIMEOUT_S = 5.0
"""Seconds that git may take to compare the work tree with its commit."""
_GIT_HOOK_VARIABLES = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR", "GIT_PREFIX")
"""Variables, set in hooks of git, that name another repository than the surrounding one."""


def commit(context: "Context", *, is_required: bool = False) -> "str | None":
    """Returns the commit that is built, or HEAD of the surrounding git repository; else None.

    If tracked files of that repository differ from the commit, it ends with `+dirty`.

    Raises:
        UsageError: No commit is found, and `is_required`.
    """
    built = next(filter(None, map(context.environment.get, _COMMIT_VARIABLES)), None)
    folder = _git_folder(context)
    try:
        head = _head(folder) if folder is not None else None
    except (OSError, ValueError):
        head = None
    found = built or head
    if found is None and is_required:
        raise UsageError("--git-sha HEAD: no commit is found here; give its SHA")
    # Of another commit than the one that lies here, the work tree says nothing.
    return f"{found}{_DIRTY_SUFFIX}" if found and found == head and _is_dirty(context) else found


def _is_dirty(context: "Context") -> bool:
    """Whether git reports that tracked files differ from HEAD. False if it cannot tell in time.

    Started without `subprocess`, whose import takes longer than git does.
    """
    environment = {
        name: value
        for name, value in context.environment.items()
        if name not in _GIT_HOOK_VARIABLES
    }
    environment["GIT_OPTIONAL_LOCKS"] = "0"
    # A file system monitor, a textconv or an external diff is a command of the repository's.
    command = (
        "git", "-c", "core.fsmonitor=false", "diff", "--quiet", "--no-ext-diff", "--no-textconv",
        "HEAD", "--",
    )  # fmt: skip
    nothing = [(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_RDWR, 0) for fd in (0, 1, 2)]
    from time import monotonic, sleep

    deadline = monotonic() + _GIT_TIMEOUT_S
    pause = 0.0005
    # Where our parent ignores it, the system keeps no exit code to wait for.
    of_children = signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    try:
        child = os.posix_spawnp("git", command, environment, file_actions=nothing)
        while True:
            ended, status = os.waitpid(child, os.WNOHANG)
            if ended:
                return os.waitstatus_to_exitcode(status) == 1
            if monotonic() > deadline:
                os.kill(child, 9)
                os.waitpid(child, 0)
                return False
            sleep(pause)
            pause = min(2 * pause, 0.05)
    except OSError:
        return False
    finally:
        signal.signal(signal.SIGCHLD, of_children)


def actor(context: "Context") -> str:
    """Returns the actor: AIVCS_ACTOR, the CI system's actor, git's user, else user@host."""
    for name in _ACTOR_VARIABLES:
        value = context.environment.get(name)
        if value:
            return value
    git_user = _git_user(context)
    if git_user:
        return git_user
    user = context.environment.get("USER") or context.environment.get("LOGNAME")
    if not user:
        from pwd import getpwuid

        try:
            user = getpwuid(os.geteuid()).pw_name
        except KeyError:  # containers run with ids that have no name
            user = f"uid{os.geteuid()}"
    return f"{user}@{os.uname().nodename}"


def _git_folder(context: "Context") -> "str | None":
    """Returns the `.git` folder of the surrounding repository, also of a worktree or submodule."""
    try:
        folder = context.working_directory()
    except UsageError:  # it was removed, so nothing is around
        return None
    while True:
        path = f"{folder.rstrip('/')}/.git"
        try:
            with open(path, "rb") as file:  # a worktree or a submodule
                line = file.read(4096).decode(errors="surrogateescape")
            if not line.startswith("gitdir: "):
                return None
            return os.path.join(folder, line[8:].rstrip("\r\n"))
        except IsADirectoryError:
            return path
        except OSError:
            pass
        above = os.path.dirname(folder)
        if above == folder:
            return None
        folder = above


def _head(folder: str) -> "str | None":
    """Returns the commit of HEAD, read from git's files; None before the first commit."""
    text = _read(f"{folder}/HEAD").strip()
    common = folder
    for _ in range(5):  # as deep as git follows symbolic references
        if not text.startswith("ref: "):
            return text if len(text) in {40, 64} and is_hex(text) else None
        name = text[5:].strip()
        common = _common(folder)
        for place in (folder, common):
            try:
                text = _read(f"{place}/{name}").strip()
                break
            except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
                continue
        else:
            return _packed(common, name)
    return None


def _common(folder: str) -> str:
    """Returns the `.git` folder that worktrees share, else the folder itself."""
    try:
        return os.path.join(folder, _read(f"{folder}/commondir").strip())
    except FileNotFoundError:
        return folder


def _packed(common: str, name: str) -> "str | None":
    try:
        lines = _read(f"{common}/packed-refs").splitlines()
    except FileNotFoundError:
        return _ask_git("rev-parse", "--verify", "--quiet", "HEAD")
    for line in lines:
        sha, _, ref = line.partition(" ")
        if ref == name:
            return sha
    return None


def _git_user(context: "Context") -> "str | None":
    """Returns git's user as `Name <email>`, or the part of it that is configured."""
    home = context.environment.get("HOME", "")
    base = context.environment.get("XDG_CONFIG_HOME") or f"{home}/.config"
    folder = _git_folder(context)
    places = [f"{base}/git/config", f"{home}/.gitconfig"]
    if folder:
        places.append(f"{_common(folder)}/config")
    if any(name.startswith("GIT_CONFIG") for name in context.environment):
        return _join(_ask_git("config", "user.name"), _ask_git("config", "user.email"))
    found: dict[str, str] = {}
    for place in places:
        try:
            text = _read(place)
        except OSError:
            continue
        if "[include" in text.lower() or not _read_user(text, found):
            return _join(_ask_git("config", "user.name"), _ask_git("config", "user.email"))
    return _join(found.get("name"), found.get("email"))


def _read_user(text: str, found: "dict[str, str]") -> bool:
    """Reads the `[user]` section of a git configuration. False if only git can read it."""
    section = ""
    for line in text.splitlines():
        line = line.strip()
        if line.startswith("["):
            section = line.lower()
            if section.startswith("[user]") and section != "[user]":
                return False
        elif section == "[user]":
            key, mark, value = line.partition("=")
            key, value = key.strip().lower(), value.strip()
            if key in {"name", "email"} and mark:
                if any(c in value for c in '"\\#;'):
                    return False
                found[key] = value
    return True


def _join(name: "str | None", email: "str | None") -> "str | None":
    if name and email:
        return f"{name} <{email}>"
    return name or email


def _ask_git(*arguments: str) -> "str | None":
    import subprocess

    try:
        done = subprocess.run(
            ["git", *arguments], capture_output=True, text=True, check=False, timeout=10
        )
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
    return done.stdout.strip() or None


def _read(path: str) -> str:
    with open(path, "rb") as file:
        return file.read(1 << 22).decode(errors="replace")
