"""Formats policy reports: the verdicts on a release, and the checks of an audit."""

from __future__ import annotations

from aivcs.cli.render.output import Cell, escape, table
from aivcs.cli.render.table import Column

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from aivcs.cli.session.context import Context
    from aivcs.commands.release.audit import Check
    from aivcs.policy.enforce import Outcome
    from aivcs.policy.proposal import Verdict

_VERDICT_COLUMNS = [
    Column("RULE"), Column("VERDICT"), Column("FOUND", wraps=True), Column("NEEDED", wraps=True),
    Column("WAY OUT", wraps=True),
]  # fmt: skip
_CHECK_COLUMNS = [
    Column("ENTRY", right=True), Column("CHECK"), Column("RESULT"), Column("FOUND", wraps=True),
]  # fmt: skip
_RESULT_STYLES = {"ok": "green", "failed": "red", "not proven": "magenta"}


def write_trial(context: Context, outcome: Outcome) -> None:
    """Writes the policy report of a trial, and the digest that would be live unless refused.

    The columns: rule, `ok` or `failed`, what was found, what is needed, the way out or `-`.
    """
    after = outcome.release
    if not outcome.is_refused:
        context.write(f"{after.spec_digest}\n")
        context.flush()
    if outcome.verdicts:
        table(context, _VERDICT_COLUMNS, map(_verdict_row, outcome.verdicts))
    context.flush()
    names = _broken(outcome.verdicts)
    if outcome.is_refused:
        context.warn(f"{after.name}: would be refused by policy: {names}. Nothing was changed")
    elif outcome.is_forced:
        context.warn(f"{after.name}: would break the policy: {names}")


def tell_passed(context: Context, outcome: Outcome) -> None:
    """Writes on standard error whether a release was forced and who signed it."""
    if outcome.is_forced:
        context.warn(
            f"this breaks the policy, and is recorded as forced: {_broken(outcome.verdicts)}"
        )
    if outcome.signed_by:
        context.warn(f"signed by {escape(outcome.signed_by)}")


def write_checks(context: Context, checks: Iterable[Check]) -> None:
    """Writes the checks of an audit: the entry or `-`, the check, its result, its detail."""
    table(context, _CHECK_COLUMNS, map(_check_row, checks))


def _verdict_row(verdict: Verdict) -> list[Cell | str]:
    remedy = Cell(verdict.remedy or "-", verdict.remedy)
    return [verdict.rule, _result("ok" if verdict.ok else "failed"), *verdict[2:4], remedy]


def _check_row(check: Check) -> list[Cell | str]:
    place = Cell("-", "") if check.seq is None else f"@{check.seq}"
    return [place, check.check, _result(check.result), check.detail]


def _result(result: str) -> Cell:
    return Cell(result, result, _RESULT_STYLES[result])


def _broken(verdicts: Iterable[Verdict]) -> str:
    return ", ".join(dict.fromkeys(verdict.rule for verdict in verdicts if not verdict.ok))
