"""`unique_label = true`: a label that no other spec has had under the name."""

from __future__ import annotations

from aivcs.policy.proposal import LABEL, Rule, Verdict, check_flag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from aivcs.policy.proposal import ProposedRelease

_NAME = "unique_label"


def _judge(_: bool, release: ProposedRelease) -> Iterable[Verdict]:
    taken = None if release.is_rollback else release.label_taken_by
    found = (
        f"{release.label} at @{taken}, on another spec" if taken is not None else "no other spec"
    )
    yield Verdict(
        _NAME,
        taken is None,
        found,
        "a label that no other spec has had",
        "" if taken is None else "choose another --label",
    )


RULE = Rule(
    _NAME, "a label that no other spec has had", check_flag, _judge, needs=lambda _: {LABEL}
)
