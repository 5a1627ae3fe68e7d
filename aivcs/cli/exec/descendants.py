"""Signals to a process and all that it started, also what left its process group. Linux only.

A process is known by its number and its start, so that no other one that got the number is hit.
"""

from __future__ import annotations

import os


def signal_all(pid: int, number: int, known: dict[int, str]) -> dict[int, str]:
    """Sends a signal to the descendants of a process, and to those that were known before.

    Without /proc none are found.

    Args:
        pid: The process, which gets no signal itself.
        number: The signal.
        known: Start times of descendants by their number, as returned before: those whose parent
            has ended meanwhile are no longer found.

    Returns:
        Those that are there, to be given again.
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
    while waiting:
        for child in parents.get(waiting.pop(), ()):
            if child not in found and child != os.getpid():
                found[child] = starts.get(child, "")
                waiting.append(child)
    for one in found:
        try:
            os.kill(one, number)
        except OSError:
            pass  # it has ended, or belongs to another user
    return found
