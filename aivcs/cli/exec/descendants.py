"""Finds all that a process started, also what left its process group, and signals it. Linux only.

A process is known by its number and its start, so that no other one that got the number is hit.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping


def adopt_orphans() -> bool:
    """Becomes the parent of orphaned descendants; tells whether the system can do so.

    Else they become children of the system's first process, and are not found any more.
    """
    from aivcs.util.syscalls import become_subreaper

    return become_subreaper()


def find_descendants(
    pid: int, known: Mapping[int, str], spared: Collection[int] = ()
) -> dict[int, str]:
    """Returns the descendants of a process by number, with their starts; none without /proc.

    Args:
        pid: The process, which is not among them.
        known: Those that were found before: if their parents have ended they may not be found now.
        spared: Those that are not returned, but whose own descendants are.
    """
    parents: dict[int, list[int]] = {}
    starts: dict[int, str] = {}
    for name in os.listdir("/proc") if os.path.isdir("/proc") else ():
        if not name.isdecimal():
            continue
        try:
            with open(f"/proc/{name}/stat", "rb") as file:
                # The name of the program, in parentheses, may hold anything.
                fields = file.read().rpartition(b")")[2].split()
            if fields[0] == b"Z":
                continue  # it has ended, and waits for its parent
            parents.setdefault(int(fields[1]), []).append(int(name))
            starts[int(name)] = fields[19].decode()
        except (OSError, IndexError, ValueError):
            continue  # it has ended
    found = {one: start for one, start in known.items() if starts.get(one) == start}
    waiting = [pid, *found]
    seen = {os.getpid(), *waiting}
    while waiting:
        for child in parents.get(waiting.pop(), ()):
            if child not in seen:
                seen.add(child)
                waiting.append(child)
                if child not in spared:
                    found[child] = starts[child]
    return found


def send_all(pids: Iterable[int], number: int) -> None:
    """Sends a signal to processes, as far as they are there and ours."""
    for one in pids:
        try:
            os.kill(one, number)
        except OSError:
            pass  # it has ended, or belongs to another user
