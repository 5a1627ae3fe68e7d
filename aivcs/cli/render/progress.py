"""A progress bar on standard error, for a person who waits.

Each picture overwrites the last, and the cursor stays visible: nothing needs to be restored,
however the process ends.
"""

from __future__ import annotations

import os
from time import monotonic

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from rich.console import Console
    from rich.progress import Progress, TaskID

    from aivcs.cli.session.context import Context

_REDRAW_S = 0.1
"""Seconds between two drawings of the bar."""
_CLEAR_LINE = b"\r\x1b[2K"
"""Clears the line of the cursor, and moves the cursor to its beginning."""


class Bar:
    """The progress of reading bytes; a context manager that removes the bar at the end."""

    def __init__(self, context: Context, what: str, measure: Callable[[], int]) -> None:
        """Draws nothing yet.

        Args:
            context: The call.
            what: A name of the work.
            measure: Returns the number of bytes; called only if the bar is drawn.
        """
        self._context = context
        self._what = what
        self._measure = measure
        self._console: Console | None = None
        self._progress: Progress | None = None
        self._task: TaskID | None = None
        self._drawn = 0.0

    def __enter__(self) -> Bar:
        """Draws the bar, if standard error is a terminal that can be drawn on."""
        if not os.isatty(2) or self._context.environment.get("TERM", "dumb") == "dumb":
            return self
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
        )

        plain = self._context.color == "never" or bool(self._context.environment.get("NO_COLOR"))
        self._console = Console(stderr=True, no_color=plain)
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(binary_units=True),
            TimeRemainingColumn(compact=True),
            console=self._console,
            auto_refresh=False,
        )
        self._task = self._progress.add_task(self._what, total=max(1, self._measure()))
        try:
            self._draw()
        except BaseException:  # an interrupt here would leave the bar on the screen
            self.clear()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Removes the bar."""
        self.clear()

    def advance(self, size: int) -> None:
        """Counts bytes that were read."""
        if self._progress is None or self._task is None:
            return
        self._progress.advance(self._task, size)
        if monotonic() - self._drawn >= _REDRAW_S:
            self._draw()

    def clear(self) -> None:
        """Clears the line of the bar for other output. The bar returns with the next picture."""
        if self._progress is not None:
            _write(_CLEAR_LINE)

    def _draw(self) -> None:
        assert self._console is not None
        assert self._progress is not None
        self._drawn = monotonic()
        with self._console.capture() as picture:
            self._console.print(self._progress.get_renderable(), end="")
        _write(_CLEAR_LINE + picture.get().rstrip("\n").encode(self._console.encoding, "replace"))


def _write(data: bytes) -> None:
    try:
        os.write(2, data)
    except OSError:
        pass  # nobody sees the bar then
