"""`require_notes = true`: notes that give the reason for a release."""

from __future__ import annotations

from aivcs.policy.proposal import Rule, Verdict, check_flag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from aivcs.policy.proposal import ProposedRelease

_NAME = "require_notes"


def _judge(_: bool, release: ProposedRelease) -> Iterable[Verdict]:
    ok = bool(release.notes and release.notes.strip())
    option = "--reason" if release.is_rollback else "--notes"
    found = "a text" if ok else "none"
    yield Verdict(_NAME, ok, found, f"{option} TEXT", "" if ok else f"say why: {option}")


RULE = Rule(_NAME, "a text that says why", check_flag, _judge, rollback_option="--reason TEXT")
