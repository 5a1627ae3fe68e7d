"""A map over tasks by several threads, with the results in the order of the tasks.

Reading and hashing release the interpreter, so there are as many threads as processors. They are
daemons, unlike those of `concurrent.futures`: Ctrl-C does not wait for the end of a long blob.
"""

from __future__ import annotations

import os
from collections import deque
from itertools import chain, islice

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from queue import SimpleQueue
    from typing import Any, TypeVar

    T = TypeVar("T")

_AHEAD = 3
"""Tasks per thread that may be begun before the result of the first is asked for."""


def ordered_map(tasks: Iterable[Callable[[], T]]) -> Iterator[T]:
    """Yields the result of each task, in the order of the tasks, while later ones are running.

    Only a few tasks per thread are taken ahead, so memory is bounded. When the caller stops (an
    exception, Ctrl-C), tasks that have not begun are dropped, and none is waited for.
    """
    rest = iter(tasks)
    begun = list(islice(rest, 2))
    if len(begun) > 1:
        yield from _in_threads(chain(begun, rest))
    elif begun:  # a thread costs more than it saves
        yield begun[0]()


def _in_threads(tasks: Iterable[Callable[[], T]]) -> Iterator[T]:
    number = os.cpu_count() or 1
    pool = _Pool(number)
    waiting: deque[_Job] = deque()
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


class _Job:
    """A task and its result."""

    __slots__ = ("_done", "_error", "_result", "_task", "is_wanted")

    def __init__(self, task: Callable[[], Any]) -> None:
        from threading import Event

        self._task = task
        self._done = Event()
        self._error: BaseException | None = None
        self.is_wanted = True

    def run(self) -> None:
        if not self.is_wanted:
            return
        try:
            self._result = self._task()
        except BaseException as error:  # noqa: BLE001 raised by `result`
            self._error = error
        self._done.set()

    def result(self) -> Any:
        """Waits for the task; returns its result, or raises its exception."""
        self._done.wait()
        if self._error is not None:
            raise self._error
        return self._result


class _Pool:
    """Threads that run jobs in order of submission, started when they are needed."""

    def __init__(self, number: int) -> None:
        from queue import SimpleQueue

        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._number = number
        self._threads = 0

    def submit(self, job: _Job) -> None:
        from threading import Thread

        if self._threads < self._number:
            name = f"aivcs_{self._threads + 1}"
            try:
                Thread(target=self._work, name=name, daemon=True).start()
            except RuntimeError:  # the system has no further thread: use those that run
                self._number = self._threads
            else:
                self._threads += 1
        if self._threads:
            self._jobs.put(job)
        else:
            job.run()

    def close(self) -> None:
        """Lets each thread end after its current job."""
        for _ in range(self._threads):
            self._jobs.put(None)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job.run()
