"""Several threads that work ahead, while what they found is handed out in order.

Reading and hashing let other threads run; so as many go on at once as there are processors. Not the
pool of `concurrent.futures`, which takes longer to import than a small store to verify.
"""

from __future__ import annotations

import os
from collections import deque
from queue import SimpleQueue
from threading import Event, Thread
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

T = TypeVar("T")

_AHEAD = 3
"""Tasks for each thread that may be begun before the first of them is asked for."""


def in_order(tasks: Iterable[Callable[[], T]]) -> Iterator[T]:
    """Yields what each task returns, in the order of the tasks, while later ones are under way.

    Tasks are taken one by one as there is room, so memory is needed for a few of them only. When
    the caller stops (an exception, Ctrl-C), what is not begun is dropped, and nothing is waited
    for.
    """
    number = os.cpu_count() or 1
    pool = _Pool(number)
    waiting: deque[_Job[T]] = deque()
    try:
        for task in tasks:
            job = _Job(task)
            waiting.append(job)
            pool.submit(job)
            if len(waiting) > _AHEAD * number:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for job in waiting:
            job.is_wanted = False
        pool.close()


class _Job(Generic[T]):
    """A task, and what came of it."""

    __slots__ = ("_done", "_error", "_result", "_task", "is_wanted")

    def __init__(self, task: Callable[[], T]) -> None:
        self._task = task
        self._done = Event()
        self._error: BaseException | None = None
        self.is_wanted = True

    def run(self) -> None:
        if not self.is_wanted:
            return
        try:
            self._result = self._task()
        except BaseException as error:  # noqa: BLE001 raised where the result is asked for
            self._error = error
        self._done.set()

    def result(self) -> T:
        """Waits for what the task returns, or raises what it raises."""
        self._done.wait()
        if self._error is not None:
            raise self._error
        return self._result


class _Pool:
    """Threads that do jobs in the order in which they come, started when they are needed first."""

    def __init__(self, number: int) -> None:
        self._jobs: SimpleQueue[_Job[Any] | None] = SimpleQueue()
        self._number = number
        self._threads = 0

    def submit(self, job: _Job[T]) -> None:
        if self._threads < self._number:
            # A daemon: whoever stops in the middle does not wait for the end of a long blob.
            name = f"aivcs_{self._threads + 1}"
            try:
                Thread(target=self._work, name=name, daemon=True).start()
            except RuntimeError:  # the system gives no further thread: go on with those there are
                self._number = self._threads
            else:
                self._threads += 1
        if self._threads:
            self._jobs.put(job)
        else:
            job.run()

    def close(self) -> None:
        """Lets the threads end when they have done what they are at."""
        for _ in range(self._threads):
            self._jobs.put(None)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job.run()
