"""`late = true` or `"signed"`: events that were added to evidence runs as annotations count, too.

It judges nothing by itself: it says what the other rules look at. With "signed", an annotation
counts only if an allowed signer has signed it.
"""

from __future__ import annotations

from aivcs.errors import UsageError
from aivcs.policy.proposal import Rule

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from aivcs.policy.proposal import ProposedRelease, Verdict

NAME = "late"
SIGNED = "signed"


def _check(value: Any, where: str) -> bool | str:
    if type(value) is bool or value == SIGNED:
        return value  # type: ignore[no-any-return]
    raise UsageError(f'{where} must be true, false or "signed", not {value!r}')


def _judge(_: Any, __: ProposedRelease) -> Iterable[Verdict]:
    return ()


RULE = Rule(NAME, "events that annotations added to the runs later count, too", _check, _judge)
