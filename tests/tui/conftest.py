"""A person at the browser: presses keys, and reads the screen as it was drawn."""

import asyncio
import html
import os
import re

import pytest

from aivcs import Repository
from aivcs.model.run import RunEvent, RunMetadata, RunSummary
from aivcs.tui.app import Browser
from aivcs.tui.pages.names import NamesPage
from aivcs.tui.pages.page import Source

TEXT = re.compile(r'<text class="[^"]*" x="([\d.]+)" y="([\d.]+)"[^>]*>(.*?)</text>')
NAMES = {"/": "slash", "?": "question_mark", " ": "space", ".": "full_stop", "_": "underscore"}
SECONDS = 30
LINE_HEIGHT = 24.4


class Person:
    """Somebody who looks at a page."""

    def __init__(self, app, pilot):
        self.app, self.pilot = app, pilot

    async def press(self, *keys):
        """Presses keys, and waits until everything is read."""
        for key in keys:
            await self.pilot.press(NAMES.get(key, key))
            await self.wait()
        return self.lines()

    async def type(self, text):
        """Types a text, and Enter."""
        await self.pilot.press(*(NAMES.get(character, character) for character in text))
        return await self.press("enter")

    async def click(self, text):
        """Clicks on a text of the screen; a line that is not under the cursor, twice."""
        rows = self._rows()
        found = next(((y, line) for y, line in rows.items() if text in line), None)
        assert found is not None, (text, rows)
        y, line = found
        is_far = 0 < y < self.app.size.height - 1 and self.app._rows.cursor != (
            y - 1 + self.app._rows.range_shown[0]
        )
        for _ in range(1 + is_far):
            await self.pilot.click(offset=(line.index(text), y))
            await self.wait()
        return self.lines()

    async def wait(self):
        async with asyncio.timeout(SECONDS):
            await self.pilot.pause()
            while self.app.is_reading:
                await self.pilot.pause(0.01)
            await self.pilot.pause()

    def lines(self):
        """Returns the lines of the screen that are not empty."""
        return list(self._rows().values())

    def _rows(self):
        """Returns the lines by their places, from the picture of them that Textual makes."""
        rows: dict[float, list[tuple[float, str]]] = {}
        for x, y, text in TEXT.findall(self.app.export_screenshot()):
            rows.setdefault(float(y), []).append((float(x), html.unescape(text)))
        top = min(rows)
        return {
            round((y - top) / LINE_HEIGHT): "".join(text for _, text in sorted(rows[y]))
            .replace("\xa0", " ")
            .rstrip()
            for y in sorted(rows)
        }

    @property
    def title(self):
        return self.lines()[0].strip()

    def has(self, text):
        return any(text in line for line in self.lines())


def source_of(repo):
    return Source(repo, None, os.environ)


@pytest.fixture
def look():
    """Lets a person look at a page: `look(page, acts, size=…)`; returns what `acts` does."""

    def look(page, acts, size=(80, 24)):
        async def run():
            app = Browser(page, "STORE")
            async with app.run_test(size=size) as pilot:
                person = Person(app, pilot)
                await person.wait()
                result = await acts(person)
            if app.failure is not None:
                raise app.failure
            return result

        return asyncio.run(run())

    return look


def fill(repo):
    """Makes two releases of an agent, a rollback, and three runs, of which one failed."""
    specs = [repo.blobs.put(f"You are careful.\nStep {n}.\n".encode()) for n in range(2)]
    runs = []
    for number, spec in enumerate((specs[0], specs[1], specs[1])):
        run = repo.runs.create_run(spec, RunMetadata("coder", tags={"task": f"t{number}"}))
        repo.runs.append_events(run, [
            RunEvent("message_added", {"role": "user", "content": "Mend it."}),
            RunEvent("tool_called", {"tool_name": "bash", "tool_call_id": "1",
                                     "arguments": {"command": f"pytest -k t{number}"}}),
            RunEvent("tool_returned", {"tool_call_id": "1", "output": "1 passed\n" * 400}
                     if number < 2 else
                     {"tool_call_id": "1", "exit_code": 3, "error": "collection broke"}),
            RunEvent("message_added", {"role": "assistant", "content": "Done."}),
        ])  # fmt: skip
        end = repo.runs.complete_run if number < 2 else repo.runs.fail_run
        end(run, RunSummary(success=number < 2, duration_ms=4200, exit_code=0 if number < 2 else 3))
        runs.append(run)
    repo.promote("coder", specs[0], by="ada", label="v1", notes="the first", evidence=[runs[0]])
    repo.promote("coder", specs[1], by="bob", label="v2", notes="faster", evidence=[runs[1]])
    repo.rollback("coder", by="eve", reason="it broke the collection")
    repo.annotate(runs[2], by="ada", text="seen by a person")
    return runs


@pytest.fixture
def repo(tmp_path):
    found = Repository.init(tmp_path)
    fill(found)
    return found


@pytest.fixture
def names(repo):
    return NamesPage(source_of(repo))
