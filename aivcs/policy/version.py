"""Versions of Semantic Versioning 2.0.0: their form, and which one is higher. No I/O."""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from aivcs.model.release import ReleaseRecord

    Precedence = tuple[tuple[int, int, int], bool, tuple[tuple[bool, int, str], ...]]

_SEMVER = re.compile(
    r"(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)"
    r"(?:-((?:0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*)"
    r"(?:\.(?:0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*))*))?"
    r"(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?"
)
"""Semantic Versioning 2.0.0, from its grammar, which has no leading v."""


def is_semver(label: str) -> bool:
    """Tells whether a label is a version of Semantic Versioning 2.0.0."""
    return _SEMVER.fullmatch(label) is not None


def precedence(label: str) -> Precedence | None:
    """Returns a key that orders versions as section 11 of the specification says.

    Returns:
        None if the label is not a version. Build metadata (`+b5`) does not count.
    """
    found = _SEMVER.fullmatch(label)
    if found is None:
        return None
    major, minor, patch, early = found.groups()
    parts = tuple(
        (False, int(part), "") if part.isdecimal() else (True, 0, part)
        for part in (early or "").split(".")
        if part
    )
    return (int(major), int(minor), int(patch)), early is None, parts


def highest(releases: Iterable[ReleaseRecord]) -> ReleaseRecord | None:
    """Returns the release whose label is the highest version, the first of equals, or None."""
    best: tuple[Precedence, ReleaseRecord] | None = None
    for release in releases:
        key = precedence(release.metadata.version_label or "")
        if key is not None and (best is None or key > best[0]):
            best = key, release
    return None if best is None else best[1]
