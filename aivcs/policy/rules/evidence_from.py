"""`evidence_from = ["signer:WHO", …]`: whose word counts about what runs achieved.

It judges nothing by itself. With it, `require_event` and `require_baseline` look only at
evaluations that one of these signers added to a run and signed (`run annotate RUN --sign`). The
events in a run's log are the word of whoever ran the agent, and do not count.
"""

from __future__ import annotations

from fnmatch import fnmatchcase

from aivcs.errors import UsageError
from aivcs.policy.proposal import Rule

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    from aivcs.policy.proposal import ProposedRelease, Verdict

NAME = "evidence_from"
SIGNER = "signer:"


def _check(value: Any, where: str) -> list[str]:
    whom = [value] if isinstance(value, str) else value
    if not isinstance(whom, list) or not all(isinstance(each, str) for each in whom):
        raise UsageError(f'{where} must be a list, as in ["signer:judge@example.com"]')
    for each in whom:
        if each.startswith("role:"):
            raise UsageError(
                f"{where}: {each[:80]!a}: no store can prove later which role wrote an event; "
                "name who signs it: signer:WHO"
            )
        check_signer(each.removeprefix(SIGNER), where)
        if not each.startswith(SIGNER):
            raise UsageError(f"{where}: {each[:80]!a} names nobody; write signer:WHO")
    return list(dict.fromkeys(whom))


def check_signer(pattern: str, where: str) -> None:
    """Requires a pattern of allowed signers' names.

    Raises:
        UsageError: It is empty, or has spaces or commas, which no name has.
    """
    if not pattern or not pattern.isprintable() or set(pattern) & {" ", ",", '"'}:
        raise UsageError(
            f"{where}: {pattern[:80]!a} names no signer; write a name from "
            "signing.allowed_signers, in which * stands for any characters"
        )


def is_heard(signer: str, whom: Sequence[str]) -> bool:
    """Tells whether a value of the rule names a signer."""
    return any(fnmatchcase(signer, each.removeprefix(SIGNER)) for each in whom)


def _judge(_: Any, __: ProposedRelease) -> Iterable[Verdict]:
    return ()


RULE = Rule(NAME, "only signed evaluations of these signers count", _check, _judge)
