"""One function over many arguments in several processes, for work that threads cannot share.

Forked, not started anew: a process that begins with what this one has loaded begins at once.
"""

import marshal
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any


def spread(work: "Callable[[str], list[Any]]", arguments: "Sequence[str]") -> "Iterator[list[Any]]":
    """Yields what a function returns for each argument, in order, worked out by all processors.

    What a process does not answer, because the function raised or the process is gone, is worked
    out here, so an error is raised where it can be caught. In a program that has threads all of it
    is: a fork would take the locks with it, but not those who hold them.

    Args:
        work: Returns values that `marshal` can write.
        arguments: What it is called with.
    """
    number = 1 if _has_threads() else os.cpu_count() or 1
    processes = [_start(work, arguments[at::number]) for at in range(number)] if number > 1 else []
    try:
        for at, argument in enumerate(arguments):
            answer = None
            if processes:
                try:
                    answer = marshal.load(processes[at % number][1])  # noqa: S302 our own
                except (EOFError, ValueError, TypeError):
                    pass
            yield work(argument) if answer is None else answer
    finally:
        for pid, pipe in processes:
            pipe.close()
            os.waitpid(pid, 0)


def _start(work: "Callable[[str], list[Any]]", arguments: "Sequence[str]") -> "tuple[int, Any]":
    """Forks a process that answers in order; returns its number and where its answers come from."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid:
        os.close(writing)
        return pid, open(reading, "rb")
    try:
        os.close(reading)
        with open(writing, "wb") as pipe:
            for argument in arguments:
                marshal.dump(work(argument), pipe)
    except BaseException:  # noqa: BLE001 whoever reads does the rest
        pass
    finally:
        os._exit(0)


def _has_threads() -> bool:
    threading = sys.modules.get("threading")
    return not hasattr(os, "fork") or (threading is not None and threading.active_count() > 1)
