"""`require_complete_spec = true`: a spec that has all four parts."""

from __future__ import annotations

from aivcs.policy.proposal import PARTS, Rule, Verdict, check_flag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from aivcs.policy.proposal import ProposedRelease

_NAME = "require_complete_spec"


def _judge(_: bool, release: ProposedRelease) -> Iterable[Verdict]:
    missing = release.missing_parts
    if missing is None:
        found = "a spec without parts, or one that is not stored"
    else:
        found = f"no {', no '.join(missing)}" if missing else "all of them"
    remedy = (
        "return to another release, or say --force --reason TEXT"
        if release.is_rollback
        else "name the files of all parts: aivcs spec create --complete"
    )
    ok = missing is not None and not missing
    needed = "a spec with graph, prompts, tools and config"
    yield Verdict(_NAME, ok, found, needed, "" if ok else remedy)


RULE = Rule(_NAME, "a spec that has all four parts", check_flag, _judge, needs=lambda _: {PARTS})
