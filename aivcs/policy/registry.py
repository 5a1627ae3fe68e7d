"""The rules by name: the one table in which configuration and judgement look them up."""

from __future__ import annotations

from aivcs.errors import UsageError
from aivcs.policy.rules import ALL

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from aivcs.policy.proposal import Rule, Verdict

RULES: dict[str, Rule] = {rule.name: rule for rule in ALL}


def check_rule(rule: str, value: Any, where: str) -> Any:
    """Returns the value of a rule in its one form.

    Raises:
        UsageError: There is no such rule, or it takes no such value; names where it stands.
    """
    if rule not in RULES:
        from difflib import get_close_matches

        near = get_close_matches(rule, RULES, n=1)
        hint = f"did you mean {near[0]}?" if near else f"the rules are {', '.join(RULES)}"
        raise UsageError(f"{where}: there is no rule {rule[:80]!a}; {hint}")
    return RULES[rule].check(value, f"{where}.{rule}")


def rollback_options(verdicts: Iterable[Verdict]) -> str:
    """Returns what a rollback must say to meet the rules that were judged, for a hint."""
    options = dict.fromkeys(RULES[verdict.rule].rollback_option for verdict in verdicts)
    return "".join(f" {option}" for option in options if option)
