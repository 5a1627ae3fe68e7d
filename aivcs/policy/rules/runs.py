"""`require_runs = N`: N runs of exactly this spec completed with success."""

from __future__ import annotations

from aivcs.errors import UsageError
from aivcs.policy.proposal import RUNS, Rule, Verdict

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from aivcs.policy.proposal import ProposedRelease

_NAME = "require_runs"
MAX_RUNS = 1_000_000


def _check(value: Any, where: str) -> int:
    if type(value) is not int or not 0 <= value <= MAX_RUNS:
        raise UsageError(f"{where} must be a number of runs, 0 or more, not {value!r}")
    return value


def _judge(needed: int, release: ProposedRelease) -> Iterable[Verdict]:
    found = len(release.counting_runs())
    yield Verdict(
        _NAME,
        found >= needed,
        f"{found} of {len(release.evidence)} runs that count{release.discounted_runs()}",
        f"{needed} completed with success for spec {release.spec_digest.short}",
        "" if found >= needed else release.remedy_for_runs(),
    )


RULE = Rule(
    _NAME,
    "so many runs of exactly this spec completed with success",
    _check,
    _judge,
    needs=lambda _: {RUNS},
)
