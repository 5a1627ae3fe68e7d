"""The tools of `aivcs mcp`: what the commands return, as JSON."""

from __future__ import annotations

from itertools import islice

from aivcs.cli.agent.protocol import Tool
from aivcs.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from aivcs.cli.session.context import Context
    from aivcs.repository import Repository

MOST = 500
"""Entries of a list that a client can ask for, at most."""
_SEARCH_S = 20.0
"""Seconds that a search may take."""

_TEXT = {"type": "string"}
_FLAG = {"type": "boolean"}
_TEXTS = {"type": "array", "items": {"type": "string"}}


def _text(about: str) -> dict[str, Any]:
    return {**_TEXT, "description": about}


def _limit(default: int) -> dict[str, Any]:
    about = f"At most so many; default {default}."
    return {"type": "integer", "minimum": 0, "maximum": MOST, "description": about}


_RUN = _text("A run id or a unique prefix of at least 4 characters, or @last.")
_NAME = _text("The agent's name.")
_FILTERS: dict[str, dict[str, Any]] = {
    "agent": _text("Only runs of this agent."),
    "status": {**_TEXT, "enum": ["running", "completed", "failed", "cancelled"]},
    "tags": {**_TEXTS, "description": "Only runs with these tags, each KEY=TEXT or KEY:=JSON."},
    "since": _text("Only runs since 30m, 12h, 2d, 1w ago, or a date."),
    "until": _text("Only runs before that."),
}


def tools(context: Context, *, write: bool) -> list[Tool]:
    """Returns the tools; those that change the store only if asked for."""
    calls = _Calls(context)
    found = [
        Tool(
            "runs_list",
            "List runs of agents, newest first: status, agent, spec, times, tags.",
            {**_FILTERS, "limit": _limit(20)},
            (),
            calls.runs_list,
        ),
        Tool(
            "run_show",
            "Show the record of one run, with its annotations.",
            {"run": _RUN},
            ("run",),
            calls.run_show,
        ),
        Tool(
            "run_events",
            "Read the events of a run in order: messages, calls of tools, results, failures.",
            {
                "run": _RUN,
                "kinds": {**_TEXTS, "description": "Only these kinds, such as tool_failed."},
                "failed": {**_FLAG, "description": "Only what failed."},
                "after": {"type": "integer", "description": "Only events with a greater seq."},
                "limit": _limit(100),
            },
            ("run",),
            calls.run_events,
        ),
        Tool(
            "runs_search",
            "Search the events and annotations of all runs, newest run first.",
            {
                "text": _text("A text that an event holds."),
                "regex": _text("Instead of text: a regular expression."),
                "ignore_case": _FLAG,
                "kinds": _TEXTS,
                "tools": {**_TEXTS, "description": "Only calls and results of these tools."},
                "failed": {**_FLAG, "description": "Only what failed."},
                "where": {**_TEXTS, "description": "Conditions such as '/score < 0.5'."},
                **_FILTERS,
                "limit": _limit(50),
            },
            (),
            calls.runs_search,
        ),
        Tool(
            "run_diff",
            "Compare two runs: how they ended, and which calls of tools differ.",
            {"a": _RUN, "b": _RUN},
            ("a", "b"),
            calls.run_diff,
        ),
        Tool(
            "release_list",
            "List the live release of each name.",
            {},
            (),
            calls.release_list,
        ),
        Tool(
            "release_history",
            "List the releases and rollbacks of a name, newest first, with their states.",
            {"name": _NAME, "limit": _limit(20)},
            ("name",),
            calls.release_history,
        ),
        Tool(
            "release_current",
            "Return the live release of a name, or the one that was live at a time.",
            {"name": _NAME, "at": _text("A time: 2d, 1w ago, or a date.")},
            ("name",),
            calls.release_current,
        ),
    ]
    return found + (calls.writing() if write else [])


class _Calls:
    """The calls of the tools. The store is opened for each: it may be made or moved meanwhile."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def _repo(self) -> Repository:
        return self._context.repository()

    def _run(self, arguments: dict[str, Any], name: str = "run") -> str:
        return self._context.run_operand(arguments[name])

    def runs_list(self, arguments: dict[str, Any]) -> Any:
        from aivcs.commands.run.annotated import Annotated, as_json

        repo = self._repo()
        unread: list[str] = []
        records = self._records(repo, arguments, unread, limit=_count(arguments, 20))
        annotated = Annotated(repo)
        return _with_unread([as_json(record, annotated.of(record)) for record in records], unread)

    def run_show(self, arguments: dict[str, Any]) -> Any:
        from aivcs.commands.run.annotated import Annotated, as_json
        from aivcs.commands.run.show import show

        repo = self._repo()
        record = show(repo, self._run(arguments))
        return as_json(record, Annotated(repo).of(record))

    def run_events(self, arguments: dict[str, Any]) -> Any:
        from aivcs.commands.run.events import events
        from aivcs.trace.timeline import read_event

        after = arguments.get("after", -1)
        found = (
            event.to_json()
            for event in events(
                self._repo(), self._run(arguments), kinds=arguments.get("kinds", ())
            )
            if (event.seq or 0) > after
            and (not arguments.get("failed") or read_event(event).error is not None)
        )
        return list(islice(found, _count(arguments, 100)))

    def runs_search(self, arguments: dict[str, Any]) -> Any:
        from aivcs.cli.session.deadline import deadline

        # A regular expression may take for ever on a long text.
        with deadline(_SEARCH_S, "the search", error=UsageError, advice="ask for less"):
            return self._search(arguments)

    def _search(self, arguments: dict[str, Any]) -> Any:
        from aivcs.commands.run.search import search
        from aivcs.search.query import Query
        from aivcs.search.where import parse_where

        query = Query(
            text=arguments.get("text"),
            regex=arguments.get("regex"),
            ignore_case=arguments.get("ignore_case", False),
            kinds=arguments.get("kinds", ()),
            tools=arguments.get("tools", ()),
            failed=arguments.get("failed", False),
            where=[parse_where(condition) for condition in arguments.get("where", ())],
        )
        repo = self._repo()
        unread: list[str] = []
        found = search(
            repo,
            query,
            self._filters(arguments),
            unreadable=lambda run_id, error: unread.append(f"{run_id}: {error}"),
        )
        matches = [match.to_json() for match in islice(found, _count(arguments, 50))]
        return _with_unread(matches, unread)

    def run_diff(self, arguments: dict[str, Any]) -> Any:
        from aivcs.cli.run.comparison_view import as_json
        from aivcs.commands.run.diff import compare_runs

        repo = self._repo()
        a, b = (repo.resolve_run(self._run(arguments, name)) for name in ("a", "b"))
        return as_json(compare_runs(repo, a, b))

    def release_list(self, _: dict[str, Any]) -> Any:
        from aivcs.commands.release.list import list_

        live, damaged = list_(self._repo())
        found = [{**told.record.to_json(), "blocked": told.is_blocked} for told in live]
        return _with_unread(found, list(map(str, damaged)))

    def release_history(self, arguments: dict[str, Any]) -> Any:
        from aivcs.commands.release.history import history

        found = history(self._repo(), arguments["name"], limit=_count(arguments, 20))
        return [told.to_json() for told in found]

    def release_current(self, arguments: dict[str, Any]) -> Any:
        from aivcs.cli.render.time_format import parse_since
        from aivcs.commands.release.current import current

        at = arguments.get("at")
        moment = None if at is None else parse_since(at, "at")
        return current(self._repo(), arguments["name"], at=moment).to_json()

    def _records(
        self,
        repo: Repository,
        arguments: dict[str, Any],
        unread: list[str],
        limit: int | None = None,
    ) -> Any:
        from aivcs.commands.run.list import list_

        return list_(
            repo,
            limit=limit,
            unreadable=lambda run_id, error: unread.append(f"{run_id}: {error}"),
            **self._filters(arguments),
        )

    def writing(self) -> list[Tool]:
        """Returns the tools that change the store. None of them releases anything."""
        run = _text("The run; default: the one in AIVCS_RUN.")
        payload = {"type": "object", "description": "Its members."}
        return [
            Tool(
                "run_start",
                "Start a run of an agent and return its id.",
                {"agent": _NAME, "spec": _text("A digest, or NAME@current."), "tags": _TEXTS},
                ("agent", "spec"),
                self._start,
                writes=True,
            ),
            Tool(
                "run_log",
                "Append an event to a running run, and return its seq. A log cannot be edited.",
                {"run": run, "kind": _text("Such as tool_called."), "payload": payload},
                ("kind",),
                self._log,
                writes=True,
            ),
            Tool(
                "run_finish",
                "End a run. Afterwards it never changes.",
                {"run": run, "exit_code": {"type": "integer"}},
                ("exit_code",),
                self._finish,
                writes=True,
            ),
            Tool(
                "run_annotate",
                "Add a remark to a run, also to one that has ended, and return its digest.",
                {
                    "run": run,
                    "text": _text("A remark in words."),
                    "kind": _text("Its kind; default: note."),
                    "payload": payload,
                    "tags": {"type": "object", "description": "Tags for the run."},
                },
                (),
                self._annotate,
                writes=True,
            ),
        ]

    def _written(self, arguments: dict[str, Any]) -> str:
        return self._context.run_operand(arguments.get("run", "@"))

    def _start(self, arguments: dict[str, Any]) -> Any:
        from aivcs.commands.run.start import start

        return start(
            self._repo(),
            agent=arguments["agent"],
            spec=arguments["spec"],
            spec_file=None,
            git_sha=None,
            tags=arguments.get("tags", []),
            allow_missing_spec=False,
        )

    def _log(self, arguments: dict[str, Any]) -> Any:
        from aivcs.model.run import RunEvent

        repo = self._repo()
        event = RunEvent(arguments["kind"], arguments.get("payload", {}))
        return repo.runs.append_event(repo.resolve_run(self._written(arguments)), event)

    def _finish(self, arguments: dict[str, Any]) -> Any:
        from aivcs.commands.run.finish import finish
        from aivcs.commands.run.show import show

        repo, run = self._repo(), self._written(arguments)
        finish(
            repo, run, status=None, exit_code=arguments["exit_code"], if_running=False,
            state=None, state_file=None, duration_ms=None,
        )  # fmt: skip
        return show(repo, run).to_json()

    def _annotate(self, arguments: dict[str, Any]) -> Any:
        from aivcs.cli.session.git_identity import actor
        from aivcs.commands.run.annotate import add

        return add(
            self._repo(),
            self._written(arguments),
            arguments.get("kind", "note"),
            arguments.get("payload"),
            by=actor(self._context),
            text=arguments.get("text"),
            tags=arguments.get("tags", {}),
        )

    def _filters(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Returns the filters of runs among the arguments, for `list_` and `search`."""
        from aivcs.cli.run.filters import selection

        return selection(
            self._context,
            agents=_given(arguments, "agent"),
            specs=[],
            statuses=_given(arguments, "status"),
            tags=arguments.get("tags", []),
            since=arguments.get("since"),
            until=arguments.get("until"),
        )


def _count(arguments: dict[str, Any], default: int) -> int:
    limit = arguments.get("limit", default)
    if not 0 <= limit <= MOST:
        raise UsageError(f"limit must be from 0 to {MOST}")
    return int(limit)


def _given(arguments: dict[str, Any], name: str) -> list[str]:
    return [arguments[name]] if name in arguments else []


def _with_unread(found: list[Any], unread: list[str]) -> Any:
    return {"found": found, "unreadable": unread} if unread else found
