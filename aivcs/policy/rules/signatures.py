"""`require_signatures = N`: the signatures of N different allowed signers.

One key counts once, whatever names it has, and one signer counts once, however many keys.
"""

from __future__ import annotations

from aivcs.errors import UsageError
from aivcs.policy.proposal import Rule, Verdict, shortened
from aivcs.signing.check import PLANNED, TRUSTED, UNCHECKED, different_signers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from aivcs.policy.proposal import ProposedRelease

_NAME = "require_signatures"
MAX_SIGNERS = 100


def _check(value: Any, where: str) -> int:
    if type(value) is not int or not 0 <= value <= MAX_SIGNERS:
        raise UsageError(f"{where} must be a number of signers, 0 to {MAX_SIGNERS}, not {value!r}")
    return value


def _judge(needed: int, release: ProposedRelease) -> Iterable[Verdict]:
    signers = [signed.detail for signed in different_signers(release.signatures)]
    # Several planned ones may turn out to be of one signer, and are judged again when made.
    planned = len([signed for signed in release.signatures if signed.state == PLANNED])
    others = len([s for s in release.signatures if s.state not in {TRUSTED, PLANNED}])
    count = len(signers) + planned
    found = f"{count} of {needed}"
    if signers:
        found += f": {shortened(signers)}"
    if planned:
        found += ", to be checked when they are made"
    ok: bool | None = count >= needed
    if not ok and count + others >= needed:
        unchecked = [s.detail for s in release.signatures if s.state == UNCHECKED]
        if unchecked:
            ok, found = None, f"{found}; others cannot be checked here: {unchecked[0]}"
    whose = "an allowed signer" if needed == 1 else f"{needed} different allowed signers"
    remedy = "" if ok else "--signing-key FILE, once for each signer"
    yield Verdict(_NAME, ok, found, f"the signature{'s' * (needed > 1)} of {whose}", remedy)


RULE = Rule(
    _NAME,
    "the signatures of so many different allowed signers",
    _check,
    _judge,
    rollback_option="--sign",
)
