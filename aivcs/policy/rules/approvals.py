"""`require_approvals = {count, by, not_promoter, max_age}`: others have approved the spec.

An approval counts if it is of this name and this spec, stands in the log before the release, and is
signed by an allowed signer. A later block of the spec takes it back. One key counts once, and so
does one signer. With `not_promoter` the release must be signed, too: without a signature nobody
knows who promotes. A rollback returns to what was approved: neither age nor promoter matter then.
"""

from __future__ import annotations

from fnmatch import fnmatchcase

from aivcs.errors import UsageError
from aivcs.policy.proposal import APPROVALS, Rule, Verdict, check_flag, shortened
from aivcs.policy.rules.evidence_from import check_signer
from aivcs.signing.check import PLANNED, TRUSTED, UNCHECKED, WRONG, different_signers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from aivcs.policy.proposal import CheckedApproval, ProposedRelease

_NAME = "require_approvals"
MAX_COUNT = 100
_MEMBERS = ("count", "by", "not_promoter", "max_age")
_UNITS = {"m": 60, "h": 3600, "d": 86_400, "w": 604_800}
MAX_AGE_S = 100 * 366 * 86_400
"""Seconds that `max_age` can be, at most."""
CLOCK_S = 300
"""Seconds by which the clocks of two machines may differ."""


def _check(value: Any, where: str) -> dict[str, Any]:
    """A table, or its count alone; empty if it asks for nothing."""
    table = {"count": value} if type(value) is int else value
    if not isinstance(table, dict):
        raise UsageError(
            f'{where} must be a table, as in {{count = 2, not_promoter = true, max_age = "7d"}}'
        )
    unknown = set(table) - set(_MEMBERS)
    if unknown:
        raise UsageError(
            f"{where}: {min(unknown)[:80]!a} means nothing; it has {', '.join(_MEMBERS)}"
        )
    count = table.get("count", 1 if table else 0)
    if type(count) is not int or not 0 <= count <= MAX_COUNT:
        raise UsageError(f"{where}.count must be a number, 0 to {MAX_COUNT}, not {count!r}")
    by = table.get("by", [])
    by = [by] if isinstance(by, str) else by
    if not isinstance(by, list) or not all(isinstance(each, str) for each in by):
        raise UsageError(f'{where}.by must be a list of signers, as in ["*@example.com"]')
    for each in by:
        check_signer(each, f"{where}.by")
    checked = {
        "count": count,
        "by": list(dict.fromkeys(by)),
        "not_promoter": check_flag(table.get("not_promoter", False), f"{where}.not_promoter"),
    }
    if "max_age" in table:
        _seconds(table["max_age"], f"{where}.max_age")
        checked["max_age"] = table["max_age"]
    return checked if count else {}


def _seconds(text: Any, where: str) -> int:
    """The seconds of an age such as 7d.

    Raises:
        UsageError: The text is not an age.
    """
    number = text[:-1] if isinstance(text, str) else ""
    if number.isascii() and number.isdecimal() and len(number) < 10 and text[-1] in _UNITS:
        seconds = int(number) * _UNITS[text[-1]]
        if 0 < seconds <= MAX_AGE_S:
            return seconds
    raise UsageError(f"{where} must be an age, as in 30m, 12h, 7d or 2w, not {text!r}")


def _judge(wanted: dict[str, Any], release: ProposedRelease) -> Iterable[Verdict]:
    counting, others = [], []
    for checked in release.approvals:
        why = _objection(wanted, release, checked)
        if why:
            others.append(f"@{checked.approval.seq} {why}")
        else:
            counting.append(checked.signed)
    if wanted["not_promoter"] and not release.is_rollback:
        states = {signed.state for signed in release.promoter_signatures()}
        if not states & {TRUSTED, PLANNED}:
            known = None if UNCHECKED in states else False
            found = "no signature of the release that shows who promotes"
            yield Verdict(_NAME, known, found, _needed(wanted), "add --sign")
            return
    signers = [signed.detail for signed in different_signers(counting)]
    is_met = len(signers) >= wanted["count"]
    ok: bool | None = is_met
    unchecked = [a for a in release.approvals if a.signed.state == UNCHECKED]
    if not is_met and len(signers) + len(unchecked) >= wanted["count"]:
        ok = None
    found = f"{len(signers)} of {wanted['count']}"
    found += f": {shortened(signers)}" if signers else ""
    found += f" ({shortened(others)})" if others and not is_met else ""
    remedy = "see signing.allowed_signers" if ok is None else ""
    if ok is False:
        remedy = f"ask for: aivcs release approve {release.name} {release.spec_digest.short} --sign"
    yield Verdict(_NAME, ok, found, _needed(wanted), remedy)


def _needed(wanted: dict[str, Any]) -> str:
    count = wanted["count"]
    text = "an approval of an allowed signer"
    if count > 1:
        text = f"approvals of {count} different allowed signers"
    text += f" among {', '.join(wanted['by'])}" if wanted["by"] else ""
    text += ", not of the promoter" if wanted["not_promoter"] else ""
    return f"{text}, not older than {wanted['max_age']}" if "max_age" in wanted else text


def _objection(wanted: dict[str, Any], release: ProposedRelease, checked: CheckedApproval) -> str:
    """Why an approval does not count; empty if it does."""
    approval, signed, is_foreign = checked
    if approval.name != release.name or approval.spec_digest != release.spec_digest:
        return "is of another name or spec"
    if signed.state == WRONG:
        return "has a signature that is not of it"
    if signed.state == UNCHECKED:
        return f"cannot be checked here: {signed.detail}"
    if signed.state != TRUSTED:
        return f"is by {signed.detail}, who is not an allowed signer"
    who = signed.detail
    if is_foreign:
        return f"by {who} was given in another store"
    if wanted["by"] and not any(fnmatchcase(who, pattern) for pattern in wanted["by"]):
        return f"is by {who}, whom the rule does not name"
    if release.is_rollback:
        return ""
    if wanted["not_promoter"] and _is_promoter(release, checked):
        return f"is by {who}, who promotes"
    age = (release.created_at.microseconds() - approval.created_at.microseconds()) / 1e6
    if age < -CLOCK_S:
        return f"is dated {approval.created_at}, which is yet to come"
    if "max_age" in wanted and age > _seconds(wanted["max_age"], _NAME):
        return f"by {who} is older than {wanted['max_age']}"
    return ""


def _is_promoter(release: ProposedRelease, checked: CheckedApproval) -> bool:
    """Whether an approval is by who promotes: by the signatures, not by names anyone can give."""
    approval, signed, _ = checked
    return any(
        signature.detail == signed.detail or signature.fingerprint == approval.fingerprint
        for signature in release.promoter_signatures()
        if signature.state in {TRUSTED, PLANNED}
    )


RULE = Rule(
    _NAME,
    "so many different allowed signers have approved the spec",
    _check,
    _judge,
    needs=lambda _: {APPROVALS},
)
