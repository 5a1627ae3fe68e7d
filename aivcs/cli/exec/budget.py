"""Watches the budget of a run while its command is executed.

A thread follows the log of the run. So it sees the events that `--events` makes of the command's
output, and those that the command's children log into the run themselves. While the store is away
it tries again; a thread of its own watches the time, which no store keeps waiting.
"""

from __future__ import annotations

import _thread
from time import monotonic, sleep

from aivcs.errors import StorageError
from aivcs.log.run import read_event
from aivcs.store.place import START
from aivcs.trace.budget import Exceeded, Meter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

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
        warn: Callable[[str], object] = lambda _: None,
    ) -> None:
        """Takes the run; without a repository only the time is watched.

        Args:
            limits: The limits.
            prices: The prices of models.
            repo: The repository of the run.
            run_id: The run.
            warn: Called once, in a thread, when the store goes away.
        """
        self.exceeded: Exceeded | None = None
        self.failure: Exception | None = None
        self._limits = limits
        self._meter = Meter(limits, prices)
        self._repo = repo
        self._run_id = run_id
        self._warn = warn
        self._is_warned = False
        self._is_over = False
        self._exceeding = _thread.allocate_lock()
        self._end: Callable[[], None] | None = None

    @property
    def costless(self) -> int:
        """Calls whose cost is not known, where a cost is limited and no event tells one."""
        return self._meter.costless

    def listen(self, end: Callable[[], None]) -> None:
        """Watches in threads of its own, and calls `end` once if a limit is exceeded.

        Raises:
            RuntimeError: The system has no further thread.
        """
        self._end = end
        if self._limits.time is not None:
            _thread.start_new_thread(self._watch_time, (self._limits.time, monotonic()))
        if self._repo is not None and self._limits.needs_events:
            _thread.start_new_thread(self._watch_events, (self._repo,))

    def close(self) -> None:
        """Ends the watch: the command is over."""
        self._is_over = True

    def _watch_time(self, seconds: float, began: float) -> None:
        while not self._is_over and self.exceeded is None:
            left = began + seconds - monotonic()
            if left <= 0:
                text = f"it took longer than {seconds:g} s"
                self._exceed(Exceeded("max_time", seconds, monotonic() - began, text))
                return
            sleep(min(left, _LONGEST_SLEEP_S))

    def _watch_events(self, own: Repository) -> None:
        place, repo = START, None
        try:
            while not self._is_over and self.exceeded is None:
                try:
                    if repo is None:
                        repo = type(own).open(own.path, own.store.settings)
                    for line, after in self._follow(repo, place):
                        place = after
                        self._count(line)
                except StorageError as error:
                    if not error.is_store_away:
                        raise
                    self._tell(error)
                    sleep(_LONGEST_SLEEP_S)
        except Exception as error:  # noqa: BLE001 told now and at the end; the time still counts
            self.failure = error
            self._tell(error)
        finally:
            if repo is not None:
                repo.store.close()

    def _follow(self, repo: Repository, place: Place) -> Iterator[tuple[bytes, Place]]:
        """Yields the lines after a place, as they come, until the command is over."""
        shortest, longest = repo.store.poll_seconds
        wait = shortest
        while not self._is_over and self.exceeded is None:
            before = place.lines
            for line, after in repo.store.logs.read(f"run/{self._run_id}", place):
                place = after
                yield line, after
                if self._is_over or self.exceeded is not None:
                    return
            wait = shortest if place.lines != before else min(wait * 1.5, longest)
            sleep(min(wait, _LONGEST_SLEEP_S))

    def _count(self, line: bytes) -> None:
        event = read_event(line)
        exceeded = None if event is None else self._meter.add(event)
        if exceeded is not None:
            self._exceed(exceeded)

    def _tell(self, error: Exception) -> None:
        """Warns at the first failure only: until the store is back, only the time is limited."""
        if not self._is_warned:
            self._is_warned = True
            self._warn(f"aivcs: warning: not all limits are watched now: {error}")

    def _exceed(self, exceeded: Exceeded) -> None:
        with self._exceeding:
            if self.exceeded is not None:
                return
            self.exceeded = exceeded
        if not self._is_over and self._end is not None:
            self._end()
