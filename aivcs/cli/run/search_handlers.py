"""The handler of `aivcs run search`."""

from __future__ import annotations

from itertools import islice

from aivcs.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from aivcs.cli.render.output import Output
    from aivcs.cli.session.context import Context
    from aivcs.commands.run.search import Match
    from aivcs.errors import StorageError
    from aivcs.model.run import RunId
    from aivcs.repository import Repository
    from aivcs.search.query import Query


def search(
    context: Context,
    text: str | None,
    regex: str | None,
    ignore_case: bool,
    kinds: list[str],
    tools: list[str],
    failed: bool,
    where: list[str],
    blobs: bool,
    limit: int | None,
    runs_only: bool,
    as_json: bool,
    **filters: Any,
) -> int:
    """Prints the matches. Exit code 1 without one, 14 or 16 if a run cannot be read."""
    from aivcs.cli.exit_codes import report_unread
    from aivcs.cli.run.filters import selection
    from aivcs.commands.run.search import search
    from aivcs.search.query import Query
    from aivcs.search.where import parse_where

    if limit is not None and limit < 0:
        raise UsageError("-n takes a number of matches, 0 or more")
    query = Query(
        text=text,
        regex=regex,
        ignore_case=ignore_case,
        kinds=kinds,
        tools=tools,
        failed=failed,
        where=[parse_where(condition) for condition in where],
        blobs=blobs,
    )
    unread: dict[str, StorageError] = {}
    repo = context.repository()

    def report(run_id: RunId, error: StorageError) -> None:
        unread.setdefault(run_id, error)

    chosen = selection(context, **filters)
    found = search(repo, query, chosen, one_per_run=runs_only, unreadable=report)
    number = _print(context, islice(found, limit), runs_only=runs_only, as_json=as_json)
    _keep_index(context, repo, query)
    return report_unread(context, unread.values()) or int(not number)


def _keep_index(context: Context, repo: Repository, query: Query) -> None:
    """Brings the index of texts up to date for the next search, after the answer."""
    from aivcs.cli.render.progress import Bar
    from aivcs.commands.run.search import keep_index

    context.flush()
    with Bar(context, "indexing", lambda: repo.store.measure(frozenset({"runs"}))) as bar:
        keep_index(repo, query, bar.advance)


def _print(context: Context, found: Iterable[Match], *, runs_only: bool, as_json: bool) -> int:
    """Prints matches as they are found; returns their number."""
    from aivcs.cli.render import output as render

    number = 0
    with render.output(context, streaming=not context.is_terminal()) as out:
        for match in found:
            number += 1
            if as_json:
                told = {"run_id": match.record.run_id} if runs_only else match.to_json()
                out.write(render.json_line(told))
            elif runs_only:
                out.write(f"{match.record.run_id}\n")
            elif out.for_person:
                out.write(_shown(out, match))
            else:
                out.write(render.plain_line(_cells(match)))
    return number


def _cells(match: Match) -> tuple[str, ...]:
    seq = match.event.seq
    passage = match.passage
    return (
        match.record.run_id, "-" if seq is None else str(seq), match.event.kind,
        passage.pointer, passage.text,
    )  # fmt: skip


def _shown(out: Output, match: Match) -> str:
    """Formats a match for a person, with what was looked for marked."""
    from aivcs.cli.render.output import escape
    from aivcs.cli.render.table import paint
    from aivcs.present.words import short_run

    record, event, passage = match.record, match.event, match.passage
    place = f"{short_run(record.run_id)} {record.metadata.agent_name}"
    seq = "annotation" if event.seq is None else str(event.seq)
    head = f"{escape(place)}  {seq}  {escape(event.kind)}"
    text = passage.text
    if passage.begin is None or passage.end is None:
        shown = escape(text)
    else:
        before, found, after = (
            escape(part)
            for part in (
                text[: passage.begin], text[passage.begin : passage.end], text[passage.end :],
            )
        )  # fmt: skip
        shown = before + (paint(found, "bold red") if out.color else found) + after
    pointer = f"{escape(passage.pointer)}: " if passage.pointer else ""
    if out.color:
        head, pointer = paint(head, "bold"), paint(pointer, "dim")
    return f"{head}\n    {pointer}{shown}\n"
