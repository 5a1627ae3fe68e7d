"""`require_signature = true`: the signature of an allowed signer."""

from __future__ import annotations

from aivcs.policy.proposal import Rule, Verdict, check_flag
from aivcs.signing.check import PLANNED, TRUSTED, UNCHECKED, UNKNOWN, WRONG

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from aivcs.policy.proposal import ProposedRelease

_NAME = "require_signature"


def _judge(_: bool, release: ProposedRelease) -> Iterable[Verdict]:
    needed = "the signature of an allowed signer"
    states = {signed.state: signed.detail for signed in release.signatures}
    for state, ok, found, remedy in (
        (TRUSTED, True, "one by {}", ""),
        (PLANNED, True, "--sign, to be checked when it is made", ""),
        (UNCHECKED, None, "one that cannot be checked here: {}", "see signing.allowed_signers"),
        (UNKNOWN, False, "one by {}", "sign with a key that signing.allowed_signers names"),
        (WRONG, False, "one that is not of this entry", "find out who made it"),
    ):  # fmt: skip
        if state in states:
            yield Verdict(_NAME, ok, found.format(states[state]), needed, remedy)
            return
    yield Verdict(_NAME, False, "none", needed, "add --sign")


RULE = Rule(
    _NAME, "the signature of an allowed signer", check_flag, _judge, rollback_option="--sign"
)
