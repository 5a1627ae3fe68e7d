"""The browser: a stack of pages, the keys, and the reading in the background."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

from textual.app import App
from textual.events import Key

from aivcs.errors import AivcsError
from aivcs.tui.bars import ENTER, Bar, hints_row, title_row
from aivcs.tui.listing import Progress, Stopped, rows_listing
from aivcs.tui.opened import Opened
from aivcs.tui.prompt import Prompt
from aivcs.tui.row import BAD, MARK, Row, line
from aivcs.tui.screen import CSS, Rows
from aivcs.util.visible import visible

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual import events
    from textual.app import ComposeResult

    from aivcs.tui.listing import Listing
    from aivcs.tui.pages.page import Page

_TICK_SECONDS = 0.2
_AT_ONCE = frozenset({"escape", "ctrl+c", "q", "Q", "upper_q"})
"""Keys that do not wait for what is being read, but end it."""


class Browser(App[int]):
    """The terminal browser.

    Attributes:
        failure: An error that ended it, for the caller to raise.
    """

    CSS = CSS
    ENABLE_COMMAND_PALETTE = False
    TITLE = "aivcs browse"

    def __init__(self, first: Page, place: str, terminal: int | None = None) -> None:
        """Takes the first page.

        Args:
            first: The first page.
            place: The name of the store, for the first line.
            terminal: The descriptor of the terminal with whose end it ends; None for none.
        """
        super().__init__(ansi_color=True)
        self._terminal = terminal
        self.failure: BaseException | None = None
        self._place = place
        self._stack = [Opened(first)]
        self._reader = ThreadPoolExecutor(1, "reader")
        self._progress: Progress | None = None
        self._is_busy = False
        self._keys: deque[events.Key] = deque()
        self._message = ""
        self._prompt: Prompt | None = None
        self._sought = ""
        self._rows = Rows()
        self._title, self._foot = Bar("title"), Bar("foot")

    def compose(self) -> ComposeResult:
        """Returns the three parts of the screen."""
        yield self._title
        yield self._rows
        yield self._foot

    def on_mount(self) -> None:
        """Reads the first page."""
        self._rows.focus()
        self.app_resume_signal.subscribe(self, self._resumed)
        self.set_interval(_TICK_SECONDS, self._tick)
        try:
            loop = asyncio.get_running_loop()
            loop.add_signal_handler(signal.SIGTERM, self._end, 143)
            loop.add_signal_handler(signal.SIGHUP, self._end, 129)
        except (NotImplementedError, RuntimeError, ValueError):
            pass  # not the main thread, as in tests

    def _resumed(self, _: App[int]) -> None:
        """Draws everything again: after Ctrl-Z and `fg`, the shell's lines stand on the screen."""
        for part in (self._title, self._rows, self._foot):
            part.refresh()

    def on_unmount(self) -> None:
        """Lets the reader end."""
        if self._progress is not None:
            self._progress.is_stopped = True
        self._reader.shutdown(wait=False, cancel_futures=True)

    # The stack.

    @property
    def is_reading(self) -> bool:
        """Whether something is being read in the background."""
        return self._progress is not None or self._stack[-1].listing is None

    @property
    def _top(self) -> Opened:
        return self._stack[-1]

    def _open(self, page: Page) -> None:
        self._leave()
        self._stack.append(Opened(page))
        self._read_page()

    def _leave(self) -> None:
        self._top.cursor = self._rows.cursor
        self._top.top = self._rows.range_shown[0]

    def go_back(self) -> None:
        """Goes back to the page before; out of the first one."""
        self._stop()
        if len(self._stack) == 1:
            self._end(0)
            return
        self._stack.pop()
        opened = self._top
        if opened.listing is None or opened.cells != self._rows.cells:
            self._read_page(again=True)
        else:
            self._rows.show(opened.listing, opened.cursor, opened.top)
            self._settle()

    def _read_page(self, *, again: bool = False) -> None:
        """Reads the page on top of the stack."""
        opened = self._top
        opened.cells = self._rows.cells
        height = self._rows.rows_shown
        kept = (opened.cursor, opened.top) if again else None

        def work(progress: Progress) -> Listing:
            if (gone := opened.page.store_gone()) is not None:
                return rows_listing([line(gone, BAD)])
            listing = opened.page.read(opened.cells, progress)
            begin = opened.page.start if kept is None else kept[1]
            if begin or kept:  # otherwise the lines are shown as they come
                listing.reach(begin, begin + height, progress)
            return listing

        def done(listing: Listing) -> None:
            if self._top is not opened:
                return
            opened.listing = listing
            start = opened.page.start
            cursor, top = kept or (start, max(start - height // 3, 0) if start else 0)
            self._rows.show(listing, cursor, top)

        self._job(work, done)

    def _job(
        self, work: Callable[[Progress], Any], done: Callable[[Any], None], *, quiet: bool = False
    ) -> None:
        """Runs work in the reader's thread; what ran before is stopped.

        Args:
            work: The work.
            done: Is called with the result, in the thread of the screen.
            quiet: Whether keys mean the same meanwhile; otherwise they wait for the result.
        """
        self._stop()
        progress = self._progress = Progress()
        self._is_busy = not quiet
        if not quiet:
            self._message = ""
        self.run_worker(self._run_job(work, done, progress), exit_on_error=False)

    async def _run_job(
        self, work: Callable[[Progress], Any], done: Callable[[Any], None], progress: Progress
    ) -> None:
        loop = asyncio.get_running_loop()
        try:
            result = await loop.run_in_executor(self._reader, work, progress)
        except Stopped:
            result = None
            if self._progress is progress:
                self._message = "stopped"
        except (AivcsError, LookupError) as error:
            result = None
            self._message = str(error)
        except Exception as error:  # noqa: BLE001 it ends the browser, and the caller raises it
            self.failure = error
            self._end(70)
            return
        if self._progress is progress:
            self._progress = None
            self._is_busy = False
            if result is not None:
                done(result)
        self._rows.update()
        self._settle()
        while self._keys and not self._must_wait(self._keys[0]):
            self._pressed(self._keys.popleft())

    def _stop(self) -> None:
        if self._progress is not None:
            self._progress.is_stopped = True
            self._progress = None
        self._is_busy = False

    def _must_wait(self, event: events.Key) -> bool:
        """Whether a key means something only when what is being read is there."""
        if self._progress is None or self._prompt is not None:
            return False
        if self._is_busy:
            return True
        listing = self._top.listing
        return event.key == "enter" and (
            listing is None or listing.row(self._rows.cursor, self._rows.cells) is None
        )

    def _tick(self) -> None:
        if self._terminal is not None and not os.isatty(self._terminal):
            self._end(129)  # it was closed, and whoever started us ignores SIGHUP
        if self._progress is not None:
            self._rows.update()
            self._draw_bars()

    def _settle(self) -> None:
        """Reads what is on the screen and not yet there; tells where the cursor is."""
        self._draw_bars()
        listing = self._top.listing
        if listing is None or self._progress is not None:
            return
        begin, last = self._rows.unread(), self._rows.range_shown[1]
        if begin is not None:

            def work(progress: Progress) -> None:
                listing.reach(begin, last, progress)

            self._job(work, lambda _: None, quiet=True)

    # What is shown.

    def _draw_bars(self) -> None:
        place = self._place if len(self._stack) == 1 else ""
        trail = [opened.page.title for opened in self._stack]
        self._title.show(title_row(place, trail, self._title.size.width))
        self._foot.show(self._foot_row())

    def _foot_row(self) -> Row:
        if self._prompt is not None:
            return self._prompt.row()
        progress, listing = self._progress, self._top.listing
        if progress is not None and progress.done > 1000:
            return Row([(f"reading… {progress.done:,} lines; Esc stops", MARK)])
        if self._message:
            return Row([(self._message, BAD if self.failure else MARK)])
        hints = [(ENTER, "open"), ("q", "back" if len(self._stack) > 1 else "quit"), ("?", "keys")]
        hints += [(key, action.name) for key, action in self._top.page.actions.items()]
        hints += [("/", "find"), ("s", "search runs")]
        return hints_row(listing, self._rows.cursor, hints, self._foot.size.width)

    # What happens.

    def on_rows_moved(self) -> None:
        """Reads what has come into sight."""
        self._settle()

    def on_rows_opened(self) -> None:
        """Opens the line that was clicked."""
        self._enter()

    def on_resize(self) -> None:
        """Reads the page again for another width."""
        self.call_after_refresh(self._resized)

    def _resized(self) -> None:
        if self._rows.cells != self._top.cells:
            if self._top.listing is not None:
                self._leave()
            self._read_page(again=self._top.listing is not None)
        else:
            self._rows.move_to(self._rows.cursor)

    def on_bar_clicked(self, event: Bar.Clicked) -> None:
        """Goes back if the first line is clicked; does what a key of the last line does."""
        if event.bar is self._title:
            self.go_back()
        elif self._prompt is None and (key := event.bar.key_at(event.x)) is not None:
            self.on_key(Key("enter", None) if key == ENTER else Key(key, key))

    def on_paste(self, event: events.Paste) -> None:
        """Takes a pasted text into the prompt."""
        if self._prompt is not None:
            self._prompt.text += event.text.partition("\n")[0]
            self._draw_bars()

    def on_key(self, event: events.Key) -> None:
        """Does what a key says."""
        event.stop()
        event.prevent_default()
        if event.key in _AT_ONCE and self._progress is not None:
            self._keys.clear()
        elif self._keys or self._must_wait(event):
            self._keys.append(event)
            return
        self._pressed(event)

    def _pressed(self, event: events.Key) -> None:
        if self._prompt is not None:
            prompt = self._prompt
            if not prompt.take(event.key, event.character if event.is_printable else None):
                self._prompt = None
                prompt.end()
            self._draw_bars()
            return
        key = event.character if event.is_printable and event.character else event.key
        self._message = ""
        call = self._calls().get(key)
        if call is not None:
            call()
        elif key in self._top.page.actions:
            self._act(key)
        self._draw_bars()

    def _calls(self) -> dict[str, Callable[[], None]]:
        """What the keys do that are the same on every page."""
        return self._rows.moves() | {
            "G": self._to_end, ">": self._to_end, "end": self._to_end,
            "enter": self._enter, "q": self.go_back, "backspace": self.go_back,
            "Q": partial(self._end, 0), "ctrl+c": self._interrupt, "escape": self._stop,
            "ctrl+z": self.action_suspend_process,
            "R": self._refresh, "f5": self._refresh, "ctrl+l": self._refresh,
            "?": self._help, "/": partial(self._ask, "/", self._find),
            "n": partial(self._find_again, 1), "N": partial(self._find_again, -1),
            "s": partial(self._ask, "search runs for: ", self._search),
        }  # fmt: skip

    def _to_end(self) -> None:
        listing = self._top.listing
        if listing is None:
            return
        if listing.is_whole:
            self._rows.move_to(listing.count - 1)
            return

        def work(progress: Progress) -> bool:
            listing.reach(0, 1 << 62, progress)
            return True

        self._job(work, lambda _: self._rows.move_to(listing.count - 1))

    def _enter(self) -> None:
        listing = self._top.listing
        row = None if listing is None else listing.row(self._rows.cursor, self._rows.cells)
        if row is None:
            return
        if row.jump is not None:
            self._go(row.jump)
        elif row.acts is not None:
            self._act(row.acts)
        elif row.opens is None:
            self._message = "There is nothing to open here."
        else:
            try:
                self._open(row.opens())
            except LookupError as error:
                self._message = str(error)

    def _act(self, key: str) -> None:
        action = self._top.page.actions[key]
        cursor = self._rows.cursor

        def done(result: Page | int | str) -> None:
            if isinstance(result, str):
                self._message = result
            elif isinstance(result, int):
                self._go(result)
            elif result is self._top.page:
                self._read_page()
            else:
                self._open(result)

        self._job(partial(action.call, cursor), done)

    def _go(self, index: int) -> None:
        """Goes to a line, with some before it on the screen."""
        first, last = self._rows.range_shown
        top = None if first < index < last else max(index - self._rows.rows_shown // 3, 0)
        self._rows.move_to(index, top)

    def _refresh(self) -> None:
        self._leave()
        self._read_page(again=True)

    def _help(self) -> None:
        from aivcs.tui.pages.help import HelpPage

        page = self._top.page
        if not isinstance(page, HelpPage):
            self._open(HelpPage(page.source, page.title, page.actions))

    def _ask(self, asks: str, answer: Callable[[str], None]) -> None:
        self._prompt = Prompt(asks, answer)

    def _find(self, text: str) -> None:
        self._sought = text or self._sought
        self._find_again(1)

    def _find_again(self, step: int) -> None:
        listing, text, cursor = self._top.listing, self._sought, self._rows.cursor
        if not text:
            self._message = "Find what? / asks."
        if not text or listing is None:
            return

        def work(progress: Progress) -> int:
            found = listing.find(text, cursor, step, progress)
            return -1 if found is None else found

        def done(found: int) -> None:
            if found >= 0:
                self._go(found)
            else:
                self._message = f"“{visible(text)}” is not {'below' if step > 0 else 'above'}."

        self._job(work, done)

    def _search(self, text: str) -> None:
        if not text:
            return
        from aivcs.tui.pages.runs import RunsPage
        from aivcs.tui.pages.search import SearchPage

        page = self._top.page
        runs = page if isinstance(page, RunsPage) else RunsPage(page.source)
        self._open(SearchPage(page.source, text, runs.filters))

    def _interrupt(self) -> None:
        if self._progress is not None:
            self._stop()
        else:
            self._end(130)

    def _end(self, code: int) -> None:
        self._stop()
        self.exit(code)
