"""Draws the pictures of the terminal browser in docs/screens from runs of a small example.

    python -m tools.screens             writes them
    python -m tools.screens --check     tells whether their texts are still those of the browser

Ids and times are counted, so that the same code draws the same pictures.
"""

from __future__ import annotations

import asyncio
import html
import io
import os
import re
import sys
import tempfile
from contextlib import contextmanager
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING
from unittest import mock

from rich.console import Console
from rich.segment import Segment, Segments
from rich.terminal_theme import DEFAULT_TERMINAL_THEME, DIMMED_MONOKAI, TerminalTheme

from aivcs import Repository
from aivcs.model.run import RunEvent, RunMetadata, RunSummary
from aivcs.tui.app import Browser
from aivcs.tui.bars import Bar
from aivcs.tui.pages.history import HistoryPage
from aivcs.tui.pages.page import Page, Source
from aivcs.tui.pages.run import RunPage
from aivcs.tui.screen import Rows

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER = Path(__file__).parents[2] / "docs" / "screens"
_SIZE = (80, 18)
_BEGIN = 1_795_856_400_000_000_000
"""Nanoseconds since 1970 of the first time: 2026-11-28, 09:00 UTC."""
_FONT = re.compile(r"\s*@font-face \{.*?\}", re.DOTALL)
_TEXT = re.compile(r"<text class=\"[^\"]*\" x=\"[\d.]+\" y=\"([\d.]+)\"[^>]*>(.*?)</text>")


def pictures() -> dict[str, str]:
    """Returns the pictures as SVG, by the names of their files."""
    with tempfile.TemporaryDirectory() as folder:
        repo = Repository.init(folder)
        with _counted():
            failed = _fill(repo)
        source = Source(repo, None, os.environ)
        return {
            "history.svg": _draw(HistoryPage(source, "reviewer"), [], DIMMED_MONOKAI),
            "run.svg": _draw(RunPage(source, failed), ["e"], DEFAULT_TERMINAL_THEME),
        }


def texts(picture: str) -> list[str]:
    """Returns the lines of a picture, without what depends on how it is drawn."""
    lines: dict[float, str] = {}
    for y, text in _TEXT.findall(picture):
        lines[float(y)] = lines.get(float(y), "") + html.unescape(text)
    return [lines[y].replace("\xa0", " ").rstrip() for y in sorted(lines)]


@contextmanager
def _counted() -> Iterator[None]:
    """Counts times and random numbers instead of taking those of the machine."""
    moments, numbers = count(_BEGIN, 1_700_000_000), count(1)

    def random(size: int) -> bytes:
        return sha256(str(next(numbers)).encode()).digest()[:size]

    with (
        mock.patch("time.time_ns", side_effect=moments),
        mock.patch("os.urandom", random),
    ):
        yield


def _fill(repo: Repository) -> str:
    """Makes two releases, a rollback and their runs; returns the run that failed."""
    prompts = ("You review shell scripts. Read all of a file first.\n", "You review scripts.\n")
    runs = []
    for number, prompt in enumerate(prompts):
        spec = repo.blobs.put(prompt.encode())
        run = repo.runs.create_run(spec, RunMetadata("reviewer", tags={"suite": "regression"}))
        for event in _events(fails=number == 1):
            repo.runs.append_event(run, event)
        end = repo.runs.fail_run if number else repo.runs.complete_run
        end(run, RunSummary(success=not number, exit_code=number))
        runs.append(run)
        repo.promote(
            "reviewer", spec, by="ada", label=("1.0.0", "1.1.0")[number],
            notes=("first release", "a shorter prompt")[number], evidence=[run],
        )  # fmt: skip
    repo.rollback("reviewer", by="bob", reason="1.1.0 approves scripts that it did not read")
    repo.releases.block("reviewer", spec, by="bob", reason="approves unread scripts")
    return runs[1]


def _events(*, fails: bool) -> Iterator[RunEvent]:
    def call(name: str, number: int, **arguments: object) -> RunEvent:
        payload = {"tool_name": name, "tool_call_id": str(number), "arguments": arguments}
        return RunEvent("tool_called", payload)

    def result(number: int, **outcome: object) -> RunEvent:
        return RunEvent("tool_returned", {"tool_call_id": str(number), **outcome})

    yield RunEvent("message_added", {"role": "user", "content": "Review deploy.sh."})
    yield call("read", 1, path="deploy.sh")
    yield result(1, output="#!/bin/sh\nset -e\n" * 90)
    yield call("shell", 2, command="shellcheck deploy.sh")
    if fails:
        yield result(2, exit_code=127, error="shellcheck: command not found")
    else:
        yield result(2, exit_code=0, output="")
    yield RunEvent("message_added", {"role": "assistant", "content": "I find no fault in it."})
    yield RunEvent("evaluation", {"suite": "regression", "score": 0.4 if fails else 0.95})


def _draw(page: Page, keys: list[str], theme: TerminalTheme) -> str:
    """Returns the picture of a page after some keys."""

    async def look() -> str:
        app = Browser(page, "")
        async with app.run_test(size=_SIZE) as pilot:
            for key in ("", *keys):
                if key:
                    await pilot.press(key)
                await pilot.pause()
                while app.is_reading:
                    await pilot.pause(0.01)
                await pilot.pause()
            bars = list(app.query(Bar))
            widgets = (bars[0], app.query_one(Rows), bars[1])
            strips = [w.render_line(y) for w in widgets for y in range(w.size.height)]
            console = Console(
                width=_SIZE[0], file=io.StringIO(), record=True, force_terminal=True,
                color_system="standard", legacy_windows=False,
            )  # fmt: skip
            for strip in strips:
                console.print(Segments([*strip, Segment.line()]), end="")
            return console.export_svg(title="aivcs browse", theme=theme, unique_id="screen")

    drawn = _FONT.sub("", asyncio.run(look()))
    return "\n".join(line.rstrip() for line in drawn.splitlines()) + "\n"


def main(arguments: list[str]) -> int:
    """Writes the pictures, or with --check names those that are stale; returns an exit code."""
    stale = []
    for name, picture in pictures().items():
        path = FOLDER / name
        if not path.exists() or texts(path.read_text()) != texts(picture):
            stale.append(name)
        if "--check" not in arguments:
            FOLDER.mkdir(exist_ok=True)
            path.write_text(picture)
    if "--check" in arguments and stale:
        sys.stderr.write(f"stale: {', '.join(stale)}; draw them: python -m tools.screens\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
