"""The handler of `aivcs run why`."""

from __future__ import annotations

import os

from aivcs.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from aivcs.cli.render.output import Output
    from aivcs.cli.session.context import Context
    from aivcs.commands.run.why import Reason

_MOST_LINES = 12
"""Lines of the user's message that are shown, at most: all of it is to fit on a screen."""


def why(context: Context, place: str, as_json: bool) -> None:
    """Prints commit, run and message of a line."""
    from aivcs.cli.render import output as render
    from aivcs.commands.run.why import message_of, why

    file, line = _split(context, place)
    path = os.path.join(context.working_directory(), file)
    reason = why(context.repository(), os.path.dirname(path), os.path.basename(path), line)
    reason = reason._replace(file=file)
    with render.output(context) as out:
        if as_json:
            out.write(render.json_line(reason.to_json()))
        elif out.for_person:
            for shown in _lines(out, reason):
                out.write(f"{shown}\n")
        else:
            asked, wrote = reason.asked, reason.wrote
            cells = (
                reason.commit.sha,
                reason.record.run_id,
                "-" if asked is None else str(asked.seq),
                "-" if wrote is None else str(wrote.seq),
                "" if asked is None else message_of(asked),
            )
            out.write(render.plain_line(cells))


def _split(context: Context, place: str) -> tuple[str, int | None]:
    """Returns file and line of FILE[:LINE]; a file whose name ends so is taken as it is.

    Raises:
        UsageError: There is no file in it.
    """
    file, mark, number = place.rpartition(":")
    if not place or (mark and not file):
        raise UsageError("the FILE of FILE:LINE is empty; is a variable unset?")
    is_line = mark and number.isascii() and number.isdecimal() and len(number) < 10
    if not is_line or os.path.lexists(os.path.join(context.working_directory(), place)):
        return place, None
    if int(number) == 0:
        raise UsageError("lines are counted from 1")
    return file, int(number)


def _lines(out: Output, reason: Reason) -> Iterator[str]:
    """Yields lines for a person: a screen at most."""
    from aivcs.cli.render.output import escape, screen_width
    from aivcs.cli.render.table import paint
    from aivcs.cli.render.text_width import cut, wrap
    from aivcs.cli.render.time_format import age
    from aivcs.commands.run.why import message_of
    from aivcs.present.words import short_run
    from aivcs.trace.timeline import read_event

    width = max(screen_width(), 20)

    def row(name: str, text: str) -> str:
        shown = cut(escape(text), width - 9)
        return f"{paint(f'{name:<9}', 'dim') if out.color else f'{name:<9}'}{shown}"

    commit, record = reason.commit, reason.record
    if reason.line is not None:
        yield row("line", f"{reason.file}:{reason.line}  {(reason.text or '').strip()}")
    else:
        yield row("file", reason.file)
    yield row("commit", f"{commit.sha[:12]}  {commit.at[:10]}  {commit.author}  {commit.summary}")
    status = record.status.lower()
    words = [short_run(record.run_id), record.metadata.agent_name, status]
    yield row("run", "  ".join([*words, f"{age(record.created_at)} ago"]))
    if reason.wrote is not None:
        tool = read_event(reason.wrote).tool or reason.wrote.kind
        yield row("wrote", f"@{reason.wrote.seq}  {tool}")
    if reason.asked is None:
        yield row("asked", "the run has no message of a user")
        return
    guess = "  a guess: the run's first one, since no call names the file"
    yield row("asked", f"@{reason.asked.seq}{guess if reason.is_guess else ''}")
    lines = [
        part
        for line in message_of(reason.asked).strip().splitlines()
        for part in wrap(escape(line), width - 4) or [""]
    ]
    for line in lines[:_MOST_LINES]:
        yield f"    {line}"
    if len(lines) > _MOST_LINES:
        yield f"    … all of it: aivcs run events {short_run(record.run_id)}"
