"""`require_baseline = {kind, pointer, max_regression}`: no worse than what is live.

The mean of a value over the runs that count for the release is compared with its mean over the
evidence of the release that is live before. A rollback is not compared: it returns to what was
live. Neither is a first release.
"""

from __future__ import annotations

from math import isfinite

from aivcs.codec.canonical_json import MAX_INTEGER
from aivcs.codec.json import encode
from aivcs.codec.json_pointer import pointer_parts, value_at
from aivcs.errors import UsageError
from aivcs.policy.proposal import BASELINE, REDACTED, RUNS, Rule, Verdict, shortened

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from fractions import Fraction
    from typing import Any

    from aivcs.policy.proposal import Baseline, EvidenceRun, ProposedRelease

_NAME = "require_baseline"
_MEMBERS = ("kind", "pointer", "max_regression", "better")
_HIGHER, _LOWER = "higher", "lower"


def _check(value: Any, where: str) -> list[dict[str, Any]]:
    """One table or several; the one form is a list of tables with the defaults filled in."""
    tables = value if isinstance(value, list) else [value]
    return [_check_table(table, where) for table in tables]


def _check_table(table: Any, where: str) -> dict[str, Any]:
    if not isinstance(table, dict) or not isinstance(table.get("kind"), str) or not table["kind"]:
        raise UsageError(
            f'{where} must be a table with a kind, as in {{kind = "evaluation", '
            'pointer = "/score", max_regression = 0.02}'
        )
    unknown = set(table) - set(_MEMBERS)
    if unknown:
        raise UsageError(
            f"{where}: {min(unknown)[:80]!a} means nothing; it has {', '.join(_MEMBERS)}"
        )
    pointer = table.get("pointer", "")
    if not isinstance(pointer, str):
        raise UsageError(f"{where}.pointer must be a JSON pointer, as in /score")
    try:
        pointer_parts(pointer)
    except UsageError as error:
        raise UsageError(f"{where}.pointer: {error}") from error
    most = table.get("max_regression", 0)
    if not _is_number(most) or most < 0:
        raise UsageError(f"{where}.max_regression must be a number, 0 or more, not {most!r}")
    better = table.get("better", _HIGHER)
    if better not in (_HIGHER, _LOWER):
        raise UsageError(f'{where}.better must be "{_HIGHER}" or "{_LOWER}", not {better!r}')
    return {"kind": table["kind"], "pointer": pointer, "max_regression": most, "better": better}


def _is_number(value: Any) -> bool:
    """Whether a value is a number that canonical JSON keeps."""
    if type(value) is int:
        return abs(value) <= MAX_INTEGER
    return type(value) is float and isfinite(value)


def _judge(wanted: list[dict[str, Any]], release: ProposedRelease) -> Iterable[Verdict]:
    for table in wanted:
        yield _compare(table, release)


def _compare(table: dict[str, Any], release: ProposedRelease) -> Verdict:
    what = f"{table['kind']}{table['pointer']}"
    than = "less" if table["better"] == _HIGHER else "more"
    needed = f"a mean {what} not {than} than what is live"
    if table["max_regression"]:
        needed += f" by over {encode(table['max_regression'])}"
    if release.is_rollback:
        return Verdict(_NAME, True, "a rollback, to what was live before", needed, "")
    baseline = release.baseline
    if baseline is None:
        return Verdict(_NAME, True, "nothing is live to compare with", needed, "")
    unproven = [str(run.run_id) for run in baseline.runs if not run.is_proven]
    if unproven:
        found = f"redacted lines for which no allowed eraser signed in {shortened(unproven)}"
        return Verdict(_NAME, None, found, needed, "have an allowed eraser sign for them")
    runs = release.counting_runs()
    if not runs:
        found = f"no run that counts{release.discounted_runs()}"
        return Verdict(_NAME, False, found, needed, release.remedy_for_runs())
    if baseline.missing:  # without them, another mean would be compared
        gone = shortened([str(run_id) for run_id in baseline.missing])
        found = f"evidence of @{baseline.seq} that is not in this store: {gone}"
        remedy = "pull it from a store that has it; if it was erased, say --force --notes TEXT"
        return Verdict(_NAME, None, found, needed, remedy)
    judged = [*runs, *baseline.counting_runs()]
    erased = [str(run.run_id) for run in judged if run.last.get(table["kind"]) is REDACTED]
    if erased:  # the same
        found = f"a {table['kind']} whose content was erased in {shortened(erased)}"
        return Verdict(_NAME, None, found, needed, release.remedy_for_runs())
    own, without = _values(table, runs)
    if without:
        found = f"no number {what} in {shortened(without)}"
        return Verdict(_NAME, False, found, needed, release.remedy_for_runs())
    before, _ = _values(table, baseline.counting_runs())
    if not before:
        return _without_baseline(table, release, baseline, needed)
    present, past = _mean(own), _mean(before)
    loss = past - present if table["better"] == _HIGHER else present - past
    ok = loss <= _exact(table["max_regression"])
    found = (
        f"{float(present):.6g} in {len(own)} runs, {float(past):.6g} in {len(before)} runs "
        f"of @{baseline.seq}"
    )
    remedy = "" if ok else "improve the agent, or say --force --notes TEXT"
    return Verdict(_NAME, ok, found, needed, remedy)


def _without_baseline(
    table: dict[str, Any], release: ProposedRelease, baseline: Baseline, needed: str
) -> Verdict:
    found = f"no {table['kind']}{table['pointer']} in the evidence of @{baseline.seq}"
    if baseline.spec_digest == release.spec_digest:
        return Verdict(_NAME, True, f"{found}, which is the same spec", needed, "")
    remedy = (
        f"give the live release evidence: aivcs release promote {release.name} @{baseline.seq} "
        "--evidence RUN"
    )
    return Verdict(_NAME, False, found, needed, remedy)


def _values(
    table: dict[str, Any], runs: Sequence[EvidenceRun]
) -> tuple[list[int | float], list[str]]:
    """The value of each run, and the runs that have none."""
    found: list[int | float] = []
    without = []
    for run in runs:
        try:
            value = value_at(run.last[table["kind"]], table["pointer"])
        except LookupError:
            value = None
        if _is_number(value):
            found.append(value)
        else:
            without.append(f"{run.run_id}{run.unheard(table['kind'])}")
    return found, without


def _mean(values: Sequence[int | float]) -> Fraction:
    return sum(map(_exact, values), start=_exact(0)) / len(values)


def _exact(value: float) -> Fraction:
    """The number as it is written: 0.8 less 0.7 is 0.1."""
    from fractions import Fraction

    return Fraction(repr(value))


RULE = Rule(
    _NAME,
    "a value of these runs is no worse than in the evidence of what is live",
    _check,
    _judge,
    needs=lambda _: {RUNS, BASELINE},
    kinds=lambda value: {table["kind"] for table in value},
)
