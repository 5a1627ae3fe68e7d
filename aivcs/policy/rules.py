"""The rules that a policy may have: what each may be, and how it judges a release. No I/O.

A run **counts** as evidence for a spec if it ran exactly this spec, is `COMPLETED`, and its summary
says that it succeeded. Which agent's name it bore does not matter: the digest says what ran.
"""

from __future__ import annotations

import re
from math import isfinite
from typing import TYPE_CHECKING, Any, NamedTuple

from aivcs.codec.canonical_json import MAX_INTEGER
from aivcs.codec.json import encode
from aivcs.codec.json_pointer import pointer_parts, value_at
from aivcs.errors import UsageError
from aivcs.log.run import is_same_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from aivcs.model import ContentDigest, RunId, RunStatus

TRUSTED, UNKNOWN, WRONG, UNCHECKED, PLANNED = "trusted", "unknown", "wrong", "unchecked", "planned"
"""What is known of a signature: by a signer that is allowed; right, but by nobody known; not of
this entry; nobody could look; still to be made, and then to be looked at."""

_SEMVER = re.compile(
    r"(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)"
    r"(-(0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*)"
    r"(\.(0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*))*)?"
    r"(\+[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?"
)
"""Semantic Versioning 2.0.0, from its grammar: a leading v is no part of a version."""
_BOUNDS = ("min", "max", "equals")


class Attested(NamedTuple):
    """A run that was given as evidence, as far as policies look at it.

    Attributes:
        run_id: The run.
        status: What became of it.
        success: Whether its summary says that it succeeded.
        spec_digest: What ran.
        last: The payload of the last event of each kind that the policy asks for.
    """

    run_id: RunId
    status: RunStatus
    success: bool
    spec_digest: ContentDigest
    last: Mapping[str, Any]


class Signed(NamedTuple):
    """What is known of an entry's signature.

    Attributes:
        state: `TRUSTED`, `UNKNOWN`, `WRONG`, `UNCHECKED` or `PLANNED`.
        detail: The signer, or why that is not known.
    """

    state: str
    detail: str


class Candidate(NamedTuple):
    """A release that a policy is to judge.

    Attributes:
        name: Under which name it goes live.
        spec_digest: What goes live.
        label: Its label, or None.
        notes: Why, or None; of a rollback, its reason.
        evidence: The runs that are given for it; of a rollback, those of the spec's
            newest promotion.
        is_rollback: Whether it is being returned to.
        label_taken_by: The seq of another spec's release that bears the label, or None.
        signatures: What is known of the signatures of the entry.
    """

    name: str
    spec_digest: ContentDigest
    label: str | None
    notes: str | None
    evidence: Sequence[Attested]
    is_rollback: bool = False
    label_taken_by: int | None = None
    signatures: Sequence[Signed] = ()


class Verdict(NamedTuple):
    """What one rule says of a release.

    Attributes:
        rule: The rule.
        ok: Whether it is met; None if that cannot be told here.
        found: What there is.
        needed: What there has to be.
        remedy: The way out; empty if the rule is met.
    """

    rule: str
    ok: bool | None
    found: str
    needed: str
    remedy: str


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


def is_semver(label: str) -> bool:
    """Tells whether a label is a version of Semantic Versioning 2.0.0."""
    return _SEMVER.fullmatch(label) is not None


def counts(run: Attested, spec_digest: ContentDigest) -> str:
    """Returns why a run proves nothing for a spec; empty if it does."""
    if run.spec_digest != spec_digest:
        return f"is of spec {run.spec_digest.short}"
    if run.status != "COMPLETED":
        return f"is {run.status}"
    return "" if run.success else "did not succeed"


def _counting(candidate: Candidate) -> list[Attested]:
    return [run for run in candidate.evidence if not counts(run, candidate.spec_digest)]


def _discounted(candidate: Candidate) -> str:
    """The runs that were given and do not count, with why; empty if all do."""
    digest = candidate.spec_digest
    others = [f"{run.run_id} {why}" for run in candidate.evidence if (why := counts(run, digest))]
    return f" ({_some(others)})" if others else ""


def _some(texts: list[str]) -> str:
    """As many of some texts as a person wants to read on one line."""
    return ", ".join(texts[:5]) + (" …" if len(texts) > 5 else "")


def _check_count(value: Any, where: str) -> int:
    if type(value) is not int or not 0 <= value <= 1_000_000:
        raise UsageError(f"{where} must be a number of runs, 0 or more, not {value!r}")
    return value


def _judge_runs(needed: int, candidate: Candidate) -> Iterable[Verdict]:
    found = len(_counting(candidate))
    yield Verdict(
        "require_runs",
        found >= needed,
        f"{found} of {len(candidate.evidence)} runs that count{_discounted(candidate)}",
        f"{needed} completed with success for spec {candidate.spec_digest.short}",
        "" if found >= needed else _more_evidence(candidate),
    )


def _more_evidence(candidate: Candidate) -> str:
    if candidate.is_rollback:
        return "return to another release, or say --force --reason TEXT"
    return "run the agent with this spec, and name its runs: --evidence RUN"


def _check_events(value: Any, where: str) -> list[dict[str, Any]]:
    """One table or several; the one form is a list of tables with all that was left out."""
    events = value if isinstance(value, list) else [value]
    return [_check_event(event, where) for event in events]


def _check_event(event: Any, where: str) -> dict[str, Any]:
    if not isinstance(event, dict) or not isinstance(event.get("kind"), str) or not event["kind"]:
        raise UsageError(
            f'{where} must be a table with a kind, as in {{kind = "evaluation", '
            'pointer = "/score", min = 0.8}'
        )
    unknown = set(event) - {"kind", "pointer", *_BOUNDS}
    if unknown:
        raise UsageError(
            f"{where}: {min(unknown)[:80]!a} means nothing; it has kind, pointer, min, max, equals"
        )
    checked = {"kind": event["kind"], "pointer": event.get("pointer", "")}
    if not isinstance(checked["pointer"], str):
        raise UsageError(f"{where}.pointer must be a JSON pointer, as in /score")
    try:
        pointer_parts(checked["pointer"])
    except UsageError as error:
        raise UsageError(f"{where}.pointer: {error}") from error
    for bound in ("min", "max"):
        if bound in event:
            if not _is_exact(event[bound]):
                raise UsageError(f"{where}.{bound} must be a number, not {event[bound]!r}")
            checked[bound] = event[bound]
    if "equals" in event:
        wanted = event["equals"]
        if not isinstance(wanted, (str, bool)) and not _is_exact(wanted):
            raise UsageError(f"{where}.equals must be a text, a number, true or false")
        checked["equals"] = wanted
    return checked


def _is_exact(value: Any) -> bool:
    """Whether a value is a number that canonical JSON keeps."""
    return _is_number(value) and (isinstance(value, float) or abs(value) <= MAX_INTEGER)


def _is_number(value: Any) -> bool:
    return type(value) is int or (type(value) is float and isfinite(value))


def _judge_events(wanted: list[dict[str, Any]], candidate: Candidate) -> Iterable[Verdict]:
    runs = _counting(candidate)
    for event in wanted:
        needed = f"{_shown_event(event)} in every run that counts"
        failing = [
            f"{run.run_id} has {why}" for run in runs if (why := _event_fails(event, run.last))
        ]
        ok = bool(runs) and not failing
        if not runs:
            found = f"no run that counts{_discounted(candidate)}"
        elif failing:
            found = _some(failing)
        else:
            found = f"{len(runs)} of {len(runs)} runs"
        yield Verdict("require_event", ok, found, needed, "" if ok else _more_evidence(candidate))


def _shown_event(event: Mapping[str, Any]) -> str:
    at = f" with {event['pointer']}" if event["pointer"] else ""
    bounds = {"min": "at least", "max": "at most", "equals": "equal to"}
    parts = [f"{bounds[bound]} {encode(event[bound])}" for bound in _BOUNDS if bound in event]
    return f"a last event {event['kind']}{at}{' ' if parts else ''}{' and '.join(parts)}"


def _event_fails(event: Mapping[str, Any], last: Mapping[str, Any]) -> str:
    """Why the last event of a kind is not what is wanted; empty if it is."""
    if event["kind"] not in last:
        return f"no event {event['kind']}"
    try:
        value = value_at(last[event["kind"]], event["pointer"])
    except LookupError:
        return f"nothing at {event['pointer']}"
    shown = encode(value)
    shown = shown if len(shown) <= 40 else f"{shown[:40]}…"
    if "equals" in event and not is_same_json(value, event["equals"]):
        return shown
    for bound in ("min", "max"):
        if bound not in event:
            continue
        if not _is_number(value):
            return f"{shown}, no number"
        if value < event[bound] if bound == "min" else value > event[bound]:
            return shown
    return ""


def _check_label(value: Any, where: str) -> str:
    if value not in ("semver", "any", "none"):
        raise UsageError(f'{where} must be "semver", "any" or "none", not {value!r}')
    return "" if value == "none" else str(value)


def _judge_label(wanted: str, candidate: Candidate) -> Iterable[Verdict]:
    label = candidate.label
    ok = candidate.is_rollback or (label is not None and (wanted == "any" or is_semver(label)))
    if wanted == "any":
        needed, remedy = "a label", "--label L"
    else:
        needed, remedy = "a version of SemVer 2.0.0, as in 1.4.0", "--label 1.4.0, without a v"
    found = f"the label {label}" if label is not None else "no label"
    if candidate.is_rollback:
        found += ", that of the release returned to"
    yield Verdict("require_label", ok, found, needed, "" if ok else remedy)


def _check_flag(value: Any, where: str) -> bool:
    if type(value) is not bool:
        raise UsageError(f"{where} must be true or false, not {value!r}")
    return value


def _judge_unique(_: bool, candidate: Candidate) -> Iterable[Verdict]:
    taken = None if candidate.is_rollback else candidate.label_taken_by
    found = (
        f"{candidate.label} at @{taken}, on another spec" if taken is not None else "no other spec"
    )
    yield Verdict(
        "unique_label",
        taken is None,
        found,
        "a label that no other spec has borne",
        "" if taken is None else "choose another --label",
    )


def _judge_notes(_: bool, candidate: Candidate) -> Iterable[Verdict]:
    ok = bool(candidate.notes and candidate.notes.strip())
    option = "--reason" if candidate.is_rollback else "--notes"
    found = "a text" if ok else "none"
    yield Verdict("require_notes", ok, found, f"{option} TEXT", "" if ok else f"say why: {option}")


def _judge_signature(_: bool, candidate: Candidate) -> Iterable[Verdict]:
    needed = "the signature of an allowed signer"
    states = {signed.state: signed.detail for signed in candidate.signatures}
    for state, ok, found, remedy in (
        (TRUSTED, True, "one by {}", ""),
        (PLANNED, True, "--sign, to be checked when it is made", ""),
        (UNCHECKED, None, "one that cannot be checked here: {}", "see signing.allowed_signers"),
        (UNKNOWN, False, "one by {}", "sign with a key that signing.allowed_signers names"),
        (WRONG, False, "one that is not of this entry", "find out who made it"),
    ):  # fmt: skip
        if state in states:
            yield Verdict("require_signature", ok, found.format(states[state]), needed, remedy)
            return
    yield Verdict("require_signature", False, "none", needed, "add --sign")


class _Rule(NamedTuple):
    """A rule: what it is for, what it may be, and how it judges."""

    about: str
    check: Callable[[Any, str], Any]
    judge: Callable[[Any, Candidate], Iterable[Verdict]]


RULES: dict[str, _Rule] = {
    "require_runs": _Rule(
        "so many runs of exactly this spec completed with success", _check_count, _judge_runs
    ),
    "require_event": _Rule(
        "the last event of a kind, in each of these runs, has such a value",
        _check_events,
        _judge_events,
    ),
    "require_label": _Rule("a label; or one that is a version", _check_label, _judge_label),
    "unique_label": _Rule("a label that no other spec has borne", _check_flag, _judge_unique),
    "require_notes": _Rule("a text that says why", _check_flag, _judge_notes),
    "require_signature": _Rule("the signature of an allowed signer", _check_flag, _judge_signature),
}
