"""Selects the rules that hold for a name, from the tables of all policies. No I/O.

A policy is a table of rules for all names that a pattern fits:

    [policy."prod/*"]
    require_runs = 3
    require_event = {kind = "evaluation", pointer = "/score", min = 0.8}
    require_label = "semver"

In a pattern, `*` stands for any characters ("/" too) and `?` for one. Where several patterns fit a
name, each rule is taken from the one that is most specific among those that have it: the one with
the most characters that are not wildcards. So the order in the file never matters, a narrower table
adds to a wider one, and an exception has to be written down (`require_runs = 0`). Two patterns that
are equally specific and say different things are refused. A rule of the system's file holds,
whatever a store's says.

Everything here fails closed: what is not understood is an error, never passed over.
"""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, NamedTuple

from aivcs.codec.canonical_json import canonical
from aivcs.codec.json import parse
from aivcs.errors import SerializationError, UnsupportedFormatError, UsageError
from aivcs.log.run import is_same_json
from aivcs.model.record import MAX_NAME
from aivcs.policy.proposal import BASELINE, RUNS
from aivcs.policy.registry import RULES, check_rule

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from aivcs.policy.proposal import ProposedRelease, Verdict

    Table = Mapping[str, Any]
    """Rules by name, or tables of rules by pattern."""

TYPE = "policy"
FORMAT = 1
_PATTERN = re.compile(r"[A-Za-z0-9*?][A-Za-z0-9._/*?-]*")


class Policy(NamedTuple):
    """The rules that hold for a name.

    Attributes:
        rules: The value of each rule that asks for something, checked and in its one form.
    """

    rules: Mapping[str, Any]

    @property
    def kinds(self) -> set[str]:
        """The kinds of events that its rules look at."""
        return {kind for rule, value in self.rules.items() for kind in RULES[rule].kinds(value)}

    def needs(self, what: str) -> bool:
        """Tells whether a rule looks at an input, such as the evidence (`RUNS`)."""
        return any(what in RULES[rule].needs(value) for rule, value in self.rules.items())

    def document(self) -> bytes:
        """Returns the policy as the bytes that its digest is of: canonical JSON (RFC 8785)."""
        return canonical({"type": TYPE, "format": FORMAT, "rules": dict(self.rules)})


def read_document(data: bytes) -> Policy:
    """Returns the policy that `Policy.document` made a document of.

    Raises:
        SerializationError: It is not valid.
        UnsupportedFormatError: A later version wrote it.
    """
    try:
        value = parse(data.decode())
    except (SerializationError, UnicodeDecodeError) as error:
        raise SerializationError("the policy is not JSON") from error
    if not isinstance(value, dict) or value.get("type") != TYPE:
        raise SerializationError('it is not a JSON object of the type "policy"')
    if value.get("format") != FORMAT:
        raise UnsupportedFormatError(
            f"a policy of format {value.get('format')!a} needs a newer aivcs"
        )
    rules = value.get("rules")
    if not isinstance(rules, dict):
        raise SerializationError("the policy has no rules")
    unknown = set(rules) - set(RULES)
    if unknown:
        raise UnsupportedFormatError(
            f"a policy with the rule {min(unknown)[:80]!a} needs a newer aivcs"
        )
    try:
        return Policy(
            {rule: check_rule(rule, rules[rule], "the policy") for rule in RULES if rule in rules}
        )
    except UsageError as error:
        raise SerializationError(str(error)) from error


def policy_for(name: str, layers: Iterable[tuple[str, Table]]) -> Policy | None:
    """Returns the policy for a name; None if no rule applies to it.

    Args:
        name: A release name.
        layers: The `policy` table of each file that has one, strongest first, after the file's
            name. All of them are checked, also what is not for this name.

    Raises:
        UsageError: Something in one of them is not understood, or contradicts itself.
    """
    chosen: dict[str, Any] = {}
    for place, patterns in layers:
        found: dict[str, list[tuple[int, str, Any]]] = {}
        for pattern, rules in check_patterns(patterns, place):
            if fnmatchcase(name, pattern):
                for rule, value in rules.items():
                    found.setdefault(rule, []).append((_specificity(pattern, name), pattern, value))
        for rule, stated in found.items():
            chosen.setdefault(rule, _most_specific(stated, f"{place}: {rule} of {name}"))
    asking = {rule: chosen[rule] for rule in RULES if chosen.get(rule)}
    return Policy(asking) if asking else None


def _specificity(pattern: str, name: str) -> int:
    """The number of characters of a pattern without wildcards; the name itself ranks highest."""
    return len(pattern) - pattern.count("*") - pattern.count("?") + (pattern == name)


def _most_specific(stated: list[tuple[int, str, Any]], what: str) -> Any:
    highest = max(rank for rank, _, _ in stated)
    (_, pattern, value), *others = (each for each in stated if each[0] == highest)
    for _, other, its in others:
        if not is_same_json(value, its):
            raise UsageError(
                f"{what} is set under {pattern!a} and {other!a}, which are equally specific; "
                "make one of them longer, or both say the same"
            )
    return value


def check_patterns(patterns: object, place: str) -> list[tuple[str, dict[str, Any]]]:
    """Returns the rules of each pattern of a `policy` table, checked.

    Raises:
        UsageError: Something is not understood; names the file and the key.
    """
    if isinstance(patterns, str):  # what stands in its stead
        raise UsageError(f'{place}: {patterns[:80]!a} is not a rule; write [policy."NAME"]')
    if not isinstance(patterns, dict):
        raise UsageError(f'{place}: policy is not a table; write [policy."NAME"]')
    checked = []
    for pattern, rules in patterns.items():
        where = f"{place}: policy.{pattern}"
        check_pattern(pattern, place)
        if not isinstance(rules, dict):
            raise UsageError(f'{where} is not a table of rules; write [policy."NAME"]')
        checked.append((pattern, {rule: check_rule(rule, v, where) for rule, v in rules.items()}))
    return checked


def check_pattern(pattern: str, place: str) -> None:
    """Requires a pattern that can match a release name.

    Raises:
        UsageError: It is such a pattern.
    """
    if len(pattern) > MAX_NAME or not _PATTERN.fullmatch(pattern):
        raise UsageError(
            f"{place}: policy.{pattern[:80]!a} matches no release name; names are made of letters, "
            "digits, '.', '_', '-' and '/'; * stands for any of them, ? for one"
        )


def looks_at_runs(policy: Policy, rule: str) -> bool:
    """Tells whether a rule of a policy judges by runs."""
    return not {RUNS, BASELINE}.isdisjoint(RULES[rule].needs(policy.rules[rule]))


def evaluate(policy: Policy, release: ProposedRelease) -> list[Verdict]:
    """Returns the verdict of each rule of a policy on a release."""
    return [
        verdict
        for rule, value in policy.rules.items()
        for verdict in RULES[rule].judge(value, release)
    ]
