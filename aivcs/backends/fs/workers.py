"""Several threads that work ahead, while what they found is handed out in order.

Reading and hashing let other threads run; so as many go on at once as there are processors.
"""

from __future__ import annotations

import os
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Future

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
    pool = ThreadPoolExecutor(number, thread_name_prefix="aivcs")
    waiting: deque[Future[T]] = deque()
    try:
        for task in tasks:
            waiting.append(pool.submit(task))
            if len(waiting) > _AHEAD * number:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
