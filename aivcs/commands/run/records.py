"""Runs and matches as flat dictionaries, for tables such as those of pandas."""

from __future__ import annotations

from aivcs.commands.run.annotated import Annotated

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    from aivcs.commands.run.search import Match
    from aivcs.model.run import RunRecord
    from aivcs.repository import Repository


def run_records(repo: Repository, runs: Iterable[RunRecord]) -> Iterator[dict[str, Any]]:
    """Yields a dictionary for each run, with the same members for all but the tags.

    A tag is a member `tag.KEY`; those of annotations are among them.
    """
    annotated = Annotated(repo)
    for record in runs:
        summary, metadata = record.summary, record.metadata
        members: dict[str, Any] = {
            "run_id": str(record.run_id),
            "agent_name": metadata.agent_name,
            "status": str(record.status),
            "spec_digest": str(record.spec_digest),
            "git_sha": metadata.git_sha,
            "created_at": str(record.created_at),
            "completed_at": None if record.completed_at is None else str(record.completed_at),
            "events": None if summary is None else summary.total_events,
            "duration_ms": None if summary is None else summary.duration_ms,
            "success": None if summary is None else summary.success,
            "exit_code": None if summary is None else summary.exit_code,
        }
        tags = annotated.tags(record)
        if isinstance(tags, dict):
            members |= {f"tag.{key}": value for key, value in tags.items()}
        yield members


def match_records(matches: Iterable[Match]) -> Iterator[dict[str, Any]]:
    """Yields a dictionary for each match, with the same members for all."""
    for match in matches:
        told = match.to_json()
        begin, end = told.pop("match") or (None, None)
        timestamp = told["timestamp"]
        yield {
            **told,
            "run_id": str(told["run_id"]),
            "timestamp": None if timestamp is None else str(timestamp),
            "match_begin": begin,
            "match_end": end,
            "annotation": told.get("annotation"),
            "blob": told.get("blob"),
        }
