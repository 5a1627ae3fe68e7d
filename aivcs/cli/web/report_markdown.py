"""The short form of the report, as Markdown: what is live, each agent's figures, what failed."""

from __future__ import annotations

from aivcs.cli.render.markdown import MAX_CHARS, code, table
from aivcs.commands.release.list import list_ as live_releases
from aivcs.commands.run.list import list_ as list_runs
from aivcs.commands.run.stats import stats
from aivcs.model.run import RunStatus
from aivcs.present.words import duration, number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from aivcs.errors import StorageError
    from aivcs.repository import Repository
    from aivcs.web.report import Wanted

_MAX_ROWS = 50
"""Rows of a table, at most."""
_MAX_FAILED = 8
"""Failed runs, the newest ones."""


def summary(repo: Repository, wanted: Wanted, unread: Callable[[str], None]) -> str:
    """Returns the short form of a report.

    Args:
        repo: The store.
        wanted: What it is about; chosen and compared runs are left out.
        unread: Told of everything that cannot be read.
    """
    parts: list[str] = []
    left = MAX_CHARS
    for part in _parts(repo, wanted, unread):
        if len(part) > left:
            parts.append("\nThe rest is in the report.\n")
            break
        parts.append(part)
        left -= len(part)
    return "".join(parts)


def _parts(repo: Repository, wanted: Wanted, unread: Callable[[str], None]) -> Iterator[str]:
    yield f"### {code(wanted.title)}\n\n"
    live, damaged = live_releases(repo)
    for error in damaged:
        unread(str(error))
    rows = [
        [
            code(record.name),
            code(record.metadata.version_label or ""),
            code(record.spec_digest.short),
            code(str(record.created_at)),
            code(record.metadata.promoted_by),
            code(record.metadata.notes or ""),
        ]
        for record in (entry.record for entry in live)
        if not wanted.agents or record.name in wanted.agents
    ]
    if rows:
        yield table(("live", "label", "spec", "since", "by", "reason"), rows[:_MAX_ROWS]) + "\n"
    agents = stats(
        repo, agents=wanted.agents, specs=(), since=wanted.since,
        unreadable=lambda run_id, error: unread(f"run {run_id}: {error}"),
    )  # fmt: skip
    figures = [
        [
            code(one.agent_name),
            str(one.runs),
            str(one.counts[RunStatus.FAILED]),
            "–" if one.success_rate is None else f"{one.success_rate:.0%}",  # noqa: RUF001 a dash
        ]
        for one in agents
    ]
    if figures:
        yield table(("agent", "runs", "failed", "success"), figures[:_MAX_ROWS]) + "\n"
    failed = list_runs(
        repo, agents=wanted.agents, statuses=[RunStatus.FAILED], since=wanted.since,
        limit=_MAX_FAILED, unreadable=_told_above,
    )  # fmt: skip
    runs = [
        [
            code(record.run_id),
            code(record.metadata.agent_name),
            code(str(record.created_at)),
            duration(record.summary.duration_ms),
            "" if record.summary.exit_code is None else number(record.summary.exit_code),
        ]
        for record in failed
        if record.summary is not None
    ]
    if runs:
        yield table(("failed run", "agent", "started", "took", "exit code"), runs) + "\n"


def _told_above(_run_id: str, _error: StorageError) -> None:
    """Leaves out what the figures could not read either."""
