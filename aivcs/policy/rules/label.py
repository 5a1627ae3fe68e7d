"""`require_label = "any" | "semver" | "semver-increasing"`: a label or a version."""

from __future__ import annotations

from aivcs.errors import UsageError
from aivcs.policy.proposal import HIGHEST, Rule, Verdict
from aivcs.policy.version import is_semver, precedence

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from aivcs.policy.proposal import ProposedRelease

_NAME = "require_label"
INCREASING = "semver-increasing"
_VALUES = ("semver", INCREASING, "any", "none")


def _check(value: Any, where: str) -> str:
    if value not in _VALUES:
        raise UsageError(
            f'{where} must be "semver", "{INCREASING}", "any" or "none", not {value!r}'
        )
    return "" if value == "none" else str(value)


def _judge(wanted: str, release: ProposedRelease) -> Iterable[Verdict]:
    label = release.label
    found = f"the label {label}" if label is not None else "no label"
    needed, remedy = "a version of SemVer 2.0.0, as in 1.4.0", "--label 1.4.0, without a v"
    if wanted == "any":
        ok, needed, remedy = label is not None, "a label", "--label L"
    else:
        ok = label is not None and is_semver(label)
    if release.is_rollback:
        ok = True
        found += ", that of the release returned to"
    elif wanted == INCREASING and ok:
        ok, found, needed = _is_higher(str(label), release)
        remedy = "choose a higher --label"
    yield Verdict(_NAME, ok, found, needed, "" if ok else remedy)


def _is_higher(label: str, release: ProposedRelease) -> tuple[bool, str, str]:
    """Whether a version is higher than all before, or that of the same spec again; and words."""
    last = release.highest
    if last is None or last.metadata.version_label is None:
        return True, f"the label {label}, the first version", "a version of SemVer 2.0.0"
    before = last.metadata.version_label
    is_again = before == label and last.spec_digest == release.spec_digest
    found = f"the label {label}{', again for the same spec' if is_again else ''}"
    own, other = precedence(label), precedence(before)
    ok = is_again or (own is not None and other is not None and own > other)
    return ok, found, f"a version higher than {before} (@{last.seq})"


RULE = Rule(
    _NAME,
    "a label; one that is a version; or a version higher than all before",
    _check,
    _judge,
    needs=lambda value: {HIGHEST} if value == INCREASING else set(),
)
