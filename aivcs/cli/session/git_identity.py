"""Who is acting, and on which commit: from the CI system, from git, or from the machine."""

import os

from aivcs.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from aivcs.cli.session.context import Context

_COMMITS = ("GITHUB_SHA", "CI_COMMIT_SHA", "GIT_COMMIT")
_ACTORS = (
    "AIVCS_ACTOR",
    "GITHUB_ACTOR",
    "GITLAB_USER_LOGIN",
    "BUILD_USER_ID",  # Jenkins
    "CIRCLE_USERNAME",
    "BUILDKITE_BUILD_CREATOR",
)


def commit(context: "Context") -> "str | None":
    """Returns the commit being built, or the HEAD of the git repository around; else None."""
    for name in _COMMITS:
        value = context.environment.get(name)
        if value:
            return value
    folder = _git_folder(context)
    if folder is None:
        return None
    try:
        return _head(folder)
    except (OSError, ValueError):
        return None


def actor(context: "Context") -> str:
    """Returns who acts: AIVCS_ACTOR, the CI system's actor, git's user, else user@host."""
    for name in _ACTORS:
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
    """The `.git` folder of the repository around, worktrees and submodules included."""
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
            return os.path.join(folder, line[8:].rstrip("\n"))
        except IsADirectoryError:
            return path
        except OSError:
            pass
        above = os.path.dirname(folder)
        if above == folder:
            return None
        folder = above


def _head(folder: str) -> "str | None":
    """The commit that HEAD names, read as git writes it; None before the first commit."""
    text = _read(f"{folder}/HEAD").strip()
    common = folder
    for _ in range(5):  # as deep as git follows symbolic references
        if not text.startswith("ref: "):
            return text if len(text) in {40, 64} and not text.strip("0123456789abcdef") else None
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
    """The `.git` folder that a worktree shares with the others; else the folder itself."""
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
    """Git's user as `Name <email>`, or what of it is configured."""
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
    """Reads the `[user]` section of a git configuration; False if it takes git to read it."""
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
