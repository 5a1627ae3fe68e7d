"""Other stores in a configuration: remotes by name, and the home of releases by pattern.

    [remote.origin]
    url = "/mnt/team/.aivcs"

    [release.home]
    "prod/*" = "origin"

A remote's URL is the path of a folder or a URL with a scheme; it never holds a password. Where
several patterns fit a name, the one with the most characters besides wildcards counts.
"""

from __future__ import annotations

import re
from fnmatch import fnmatchcase

from aivcs.config.trust import refuse_password
from aivcs.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from aivcs.config.keys import Config

    Layers = Sequence[tuple[str, Config]]

HERE = "here"
"""The home that `release.home` gives names whose releases are changed in this store."""
ORIGIN = "origin"
"""The remote that is meant where none is named."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_RESERVED = frozenset({HERE, "timeout", "tls", "password_command"})
"""Names that would be taken for something else."""


def check_remote_name(name: str) -> str:
    """Returns a name that a remote can have.

    Raises:
        UsageError: It is not valid, or means something else.
    """
    if not name:
        raise UsageError("the NAME of the remote is empty; is a variable unset?")
    if not _NAME.fullmatch(name) or name in _RESERVED:
        raise UsageError(
            f"{name[:80]!a} cannot be the name of a remote: it takes letters, digits, '_' and '-', "
            f"and neither {' nor '.join(sorted(_RESERVED))}"
        )
    return name


def check_url(url: str) -> str:
    """Returns a URL that may be stored: one without a password.

    Raises:
        UsageError: It is empty, or has a password.
    """
    if not url:
        raise UsageError("the URL of the remote is empty; is a variable unset?")
    refuse_password(url, "the configuration")
    return url


def remotes(layers: Layers) -> dict[str, str]:
    """Returns the URLs of all remotes by their names, in the order of the names."""
    found: dict[str, str] = {}
    for _, values in layers:
        for key, url in values.items():
            head, _, rest = key.partition(".")
            name, _, last = rest.partition(".")
            if head == "remote" and last == "url":
                found.setdefault(name, url)
    return dict(sorted(found.items()))


def default_remote(names: Iterable[str]) -> str:
    """Returns the remote that is meant where none is named: `origin`, else the only one.

    Raises:
        UsageError: There is none, or there are several.
    """
    known = list(names)
    if ORIGIN in known:
        return ORIGIN
    if len(known) == 1:
        return known[0]
    if known:
        raise UsageError(f"there are several remotes, name one: {', '.join(known)}")
    raise UsageError("no remote is configured; give a path or URL, or: aivcs remote add origin URL")


def release_home(name: str, layers: Layers) -> str | None:
    """Returns the remote at which the releases of a name are changed; None if it is this store.

    Raises:
        UsageError: Two patterns fit equally well and say different things.
    """
    for place, values in layers:
        stated = [
            (len(pattern.replace("*", "").replace("?", "")) + (pattern == name), home)
            for key, home in values.items()
            if (pattern := _home_pattern(key)) is not None and fnmatchcase(name, pattern)
        ]
        if not stated:
            continue
        best = {home for rank, home in stated if rank == max(stated)[0]}
        if len(best) > 1:
            raise UsageError(
                f"{place}: two patterns of release.home fit {name} equally well and say "
                f"{' and '.join(sorted(best))}; make one of them longer"
            )
        (home,) = best
        return None if home == HERE else home
    return None


def _home_pattern(key: str) -> str | None:
    return key.removeprefix("release.home.") if key.startswith("release.home.") else None
