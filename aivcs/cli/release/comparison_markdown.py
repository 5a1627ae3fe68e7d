"""Formats releases as Markdown: how two differ, and the verdicts on a planned one."""

from __future__ import annotations

from aivcs.cli.release.comparison_view import facts
from aivcs.cli.render.markdown import MAX_CHARS, code, table
from aivcs.cli.run import comparison_markdown as runs
from aivcs.cli.spec import comparison_markdown as specs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from aivcs.commands.release.diff import ReleaseComparison
    from aivcs.model.release import ReleaseRecord
    from aivcs.policy.enforce import Outcome
    from aivcs.policy.proposal import Verdict

_ACTIONS = {"promote": "Promotion", "rollback": "Rollback"}
_MARKS = {True: "✓ ok", False: "✗ failed", None: "? unknown"}


def comparison(found: ReleaseComparison) -> str:
    """Returns a comparison of two releases as Markdown."""
    return "".join(_comparison(found))


def _comparison(found: ReleaseComparison) -> Iterator[str]:
    a, b = found.a, found.b
    yield f"### {code(f'{a.name}@{a.seq}')} → {code(f'{b.name}@{b.seq}')}\n\n"
    yield table(
        ("", "A", "B"),
        [
            ("label", *(code(side.metadata.version_label or "") for side in (a, b))),
            ("spec", *(code(side.spec_digest.short) for side in (a, b))),
            ("by", *(code(side.metadata.promoted_by) for side in (a, b))),
            ("reason", *(code(side.metadata.notes or "") for side in (a, b))),
            *((code(name), code(before), code(after)) for name, before, after in facts(found)),
        ],
    )
    yield "\n"
    yield from specs.parts(found.specs, MAX_CHARS // 3)
    if found.runs is not None:
        yield "\n"
        yield runs.markdown(found.runs, title="A run of each")
    for record in found.without_run:
        yield f"\nNo completed run of {code(f'{record.name}@{record.seq}')}: "
        yield "what it does is not compared.\n"


def trial(outcome: Outcome) -> str:
    """Returns what a planned release would change, and the verdicts on it, as Markdown."""
    return "".join(_trial(outcome))


def _trial(outcome: Outcome) -> Iterator[str]:
    after = outcome.release
    would = "would be refused" if outcome.is_refused else "would be allowed"
    if outcome.is_forced:
        would = "would break the policy, by force"
    yield f"### {_MARKS[not outcome.is_refused].partition(' ')[0]} "
    yield f"{_ACTIONS[after.action]} of {code(after.name)} {would}\n\n"
    live = code("") if outcome.before is None else _release(outcome.before)
    yield table(("live now", "would be live"), [(live, _release(after))])
    if outcome.verdicts:
        yield "\n"
        yield table(
            ("rule", "verdict", "found", "needed", "way out"), map(_verdict, outcome.verdicts)
        )
    else:
        yield "\nNo policy has a rule for this name.\n"


def _release(record: ReleaseRecord) -> str:
    label = record.metadata.version_label
    digest = code(record.spec_digest.short)
    return f"{code(label)} {digest}" if label else digest


def _verdict(verdict: Verdict) -> tuple[str, ...]:
    texts = (code(text) for text in (verdict.found, verdict.needed, verdict.remedy))
    return code(verdict.rule), _MARKS[verdict.ok], *texts
