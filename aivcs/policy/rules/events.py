"""`require_event = {kind, pointer, min, max, equals}`: what the last event of a kind must say.

It is asked of every run that counts as evidence, and there must be one. `pointer` is a JSON pointer
into the event's payload.
"""

from __future__ import annotations

from math import isfinite

from aivcs.codec.canonical_json import MAX_INTEGER
from aivcs.codec.json import encode
from aivcs.codec.json_pointer import pointer_parts, value_at
from aivcs.errors import UsageError
from aivcs.log.run import is_same_json
from aivcs.policy.proposal import REDACTED, RUNS, Rule, Verdict, shortened

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from aivcs.policy.proposal import ProposedRelease

_NAME = "require_event"
_BOUNDS = ("min", "max", "equals")
MAX_SHOWN = 40
"""Characters of a value that a verdict shows, at most."""


def _check(value: Any, where: str) -> list[dict[str, Any]]:
    """One table or several; the one form is a list of tables with the defaults filled in."""
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


def _judge(wanted: list[dict[str, Any]], release: ProposedRelease) -> Iterable[Verdict]:
    runs = release.counting_runs()
    for event in wanted:
        needed = f"{_shown_event(event)} in every run that counts"
        failing = [
            f"{run.run_id} has {why}{run.unheard(event['kind'])}"
            for run in runs
            if (why := _event_fails(event, run.last))
        ]
        ok: bool | None = bool(runs) and not failing
        if failing and all(_is_met_or_erased(event, run.last) for run in runs):
            ok = None  # its content is gone, so the rule cannot be checked
        if not runs:
            found = f"no run that counts{release.discounted_runs()}"
        elif failing:
            found = shortened(failing)
        else:
            found = f"{len(runs)} of {len(runs)} runs"
        remedy = "" if ok else release.remedy_for_runs()
        if failing and release.takes_late and not release.is_rollback:
            signed = " --sign" if release.takes_late == "signed" else ""
            remedy = (
                f"judge the runs: aivcs run annotate RUN {event['kind']} …{signed}; or {remedy}"
            )
        yield Verdict(_NAME, ok, found, needed, remedy)


def _is_met_or_erased(event: Mapping[str, Any], last: Mapping[str, Any]) -> bool:
    return last.get(event["kind"]) is REDACTED or not _event_fails(event, last)


def _shown_event(event: Mapping[str, Any]) -> str:
    at = f" with {event['pointer']}" if event["pointer"] else ""
    bounds = {"min": "at least", "max": "at most", "equals": "equal to"}
    parts = [f"{bounds[bound]} {encode(event[bound])}" for bound in _BOUNDS if bound in event]
    return f"a last event {event['kind']}{at}{' ' if parts else ''}{' and '.join(parts)}"


def _event_fails(event: Mapping[str, Any], last: Mapping[str, Any]) -> str:
    """Why the last event of a kind is not what is wanted; empty if it is."""
    if event["kind"] not in last:
        return f"no event {event['kind']}"
    if last[event["kind"]] is REDACTED:
        return f"an event {event['kind']} whose content was erased"
    try:
        value = value_at(last[event["kind"]], event["pointer"])
    except LookupError:
        return f"nothing at {event['pointer']}"
    shown = encode(value)
    shown = shown if len(shown) <= MAX_SHOWN else f"{shown[:MAX_SHOWN]}…"
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


RULE = Rule(
    _NAME,
    "the last event of a kind, in each of these runs, has such a value",
    _check,
    _judge,
    needs=lambda _: {RUNS},
    kinds=lambda value: {event["kind"] for event in value},
)
