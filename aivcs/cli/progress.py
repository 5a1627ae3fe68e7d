"""A progress bar on standard error, for a person who waits; nothing at all for anybody else."""

from __future__ import annotations

import os
from time import monotonic
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from rich.progress import Progress, TaskID

    from aivcs.cli.context import Context

_PAUSE = 0.1
"""Seconds between two pictures of the bar."""


class Bar:
    """How many of some bytes were read; a context manager that takes the bar away at the end."""

    def __init__(self, context: Context, what: str, measure: Callable[[], int]) -> None:
        """Draws nothing yet.

        Args:
            context: Whose terminal it is.
            what: What is being done.
            measure: Tells how many bytes there are; asked only if there is a bar.
        """
        self._context = context
        self._what = what
        self._measure = measure
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
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(binary_units=True),
            TimeRemainingColumn(compact=True),
            console=Console(stderr=True, no_color=plain),
            auto_refresh=False,
            transient=True,
            # What is printed goes where it always goes; `clear` keeps the two apart.
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._task = self._progress.add_task(self._what, total=max(1, self._measure()))
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Takes the bar away."""
        if self._progress is not None:
            self._progress.stop()

    def advance(self, size: int) -> None:
        """Counts some bytes more."""
        if self._progress is None or self._task is None:
            return
        self._progress.advance(self._task, size)
        now = monotonic()
        if now - self._drawn >= _PAUSE:
            self._drawn = now
            self._progress.refresh()

    def clear(self) -> None:
        """Wipes the line of the bar, for something else to be printed; it comes back by itself."""
        if self._progress is not None:
            try:
                os.write(2, b"\r\x1b[2K")
            except OSError:
                pass  # then nobody sees it
