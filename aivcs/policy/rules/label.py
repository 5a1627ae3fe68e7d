"""`require_label = "semver" | "any"`: a label; or one that is a version."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from aivcs.errors import UsageError
from aivcs.policy.proposal import Rule, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aivcs.policy.proposal import ProposedRelease

_NAME = "require_label"
_SEMVER = re.compile(
    r"(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)"
    r"(-(0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*)"
    r"(\.(0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*))*)?"
    r"(\+[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?"
)
"""Semantic Versioning 2.0.0, from its grammar, which has no leading v."""


def is_semver(label: str) -> bool:
    """Tells whether a label is a version of Semantic Versioning 2.0.0."""
    return _SEMVER.fullmatch(label) is not None


def _check(value: Any, where: str) -> str:
    if value not in ("semver", "any", "none"):
        raise UsageError(f'{where} must be "semver", "any" or "none", not {value!r}')
    return "" if value == "none" else str(value)


def _judge(wanted: str, release: ProposedRelease) -> Iterable[Verdict]:
    label = release.label
    ok = release.is_rollback or (label is not None and (wanted == "any" or is_semver(label)))
    if wanted == "any":
        needed, remedy = "a label", "--label L"
    else:
        needed, remedy = "a version of SemVer 2.0.0, as in 1.4.0", "--label 1.4.0, without a v"
    found = f"the label {label}" if label is not None else "no label"
    if release.is_rollback:
        found += ", that of the release returned to"
    yield Verdict(_NAME, ok, found, needed, "" if ok else remedy)


RULE = Rule(_NAME, "a label; or one that is a version", _check, _judge)
