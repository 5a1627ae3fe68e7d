"""Watches the budget of a run while its command is executed.

A thread follows the log of the run. So it sees the events that `--events` makes of the command's
output, and those that the command's children log into the run themselves.
"""

from __future__ import annotations

import _thread
from time import monotonic, sleep
from typing import TYPE_CHECKING

from aivcs.log.run import read_event
from aivcs.store.place import START
from aivcs.trace.budget import Exceeded, Meter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from aivcs.model.run import RunId
    from aivcs.repository import Repository
    from aivcs.store.place import Place
    from aivcs.trace.budget import Limits
    from aivcs.trace.usage import Price

_LONGEST_SLEEP_S = 0.5
"""Seconds after which the end of the command is noticed, at most."""


class Budget:
    """The budget of one run.

    Attributes:
        exceeded: The limit that was exceeded, or None.
        failure: The error that kept the events from being watched, or None.
    """

    def __init__(
        self,
        limits: Limits,
        prices: Mapping[str, Price],
        repo: Repository | None = None,
        run_id: RunId | None = None,
    ) -> None:
        """Takes the run; without a repository only the time is watched."""
        self.exceeded: Exceeded | None = None
        self.failure: Exception | None = None
        self._limits = limits
        self._meter = Meter(limits, prices)
        self._repo = repo
        self._run_id = run_id
        self._is_over = False
        self._end: Callable[[], None] | None = None

    @property
    def costless(self) -> int:
        """Calls whose cost is not known, where a cost is limited and no event tells one."""
        return self._meter.costless

    def listen(self, end: Callable[[], None]) -> None:
        """Watches in a thread of its own, and calls `end` once if a limit is exceeded.

        Raises:
            RuntimeError: The system has no further thread.
        """
        self._end = end
        _thread.start_new_thread(self._watch, (monotonic(),))

    def close(self) -> None:
        """Ends the watch: the command is over."""
        self._is_over = True

    def _watch(self, began: float) -> None:
        repo = None
        try:
            if self._repo is not None and self._limits.needs_events:
                repo = type(self._repo).open(self._repo.path, self._repo.store.settings)
            self._follow(repo, began)
        except Exception as error:  # noqa: BLE001 told at the end; the time still counts
            self.failure = error
            if self._limits.time is not None:
                self._follow(None, began)
        finally:
            if repo is not None:
                repo.store.close()

    def _follow(self, repo: Repository | None, began: float) -> None:
        shortest, longest = repo.store.poll_seconds if repo else (_LONGEST_SLEEP_S,) * 2
        place, wait = START, shortest
        while not self._is_over:
            if self._limits.time is not None and monotonic() - began >= self._limits.time:
                seconds = self._limits.time
                text = f"it took longer than {seconds:g} s"
                self._exceed(Exceeded("max_time", seconds, monotonic() - began, text))
                return
            before = place.lines
            for line, after in self._new_lines(repo, place):
                place = after
                event = read_event(line)
                exceeded = None if event is None else self._meter.add(event)
                if exceeded is not None:
                    self._exceed(exceeded)
                    return
                if self._is_over:
                    return
            wait = shortest if place.lines != before else min(wait * 1.5, longest)
            left = wait
            if self._limits.time is not None:
                left = min(left, max(0.0, began + self._limits.time - monotonic()))
            sleep(min(left, _LONGEST_SLEEP_S))

    def _new_lines(self, repo: Repository | None, place: Place) -> Iterable[tuple[bytes, Place]]:
        return () if repo is None else repo.store.logs.read(f"run/{self._run_id}", place)

    def _exceed(self, exceeded: Exceeded) -> None:
        self.exceeded = exceeded
        if not self._is_over and self._end is not None:
            self._end()
