"""Checks what concurrent clients were told against what is stored.

It knows nothing of aivcs but its lines. A history is the operations of all clients, each with the
moment it began, the moment it ended and its outcome: `ok` with the number it was given, `refused`
(certainly not done), `unknown`, or nothing, if its client was killed. What is stored are the lines
of a run and of a release, as JSON.
"""

from collections import Counter


def complaints(operations, run, release):
    """Yields a sentence for every operation that the stored lines contradict.

    Args:
        operations: Dictionaries with `id`, `op` (append, finish, promote), `start`, `end` or None,
            `outcome` or None, `seq` or None, and `expect` or None.
        run: The lines of the run, in order.
        release: The lines of the release, in order.
    """
    events = [line for line in run if line["type"] == "event"]
    yield from _numbered(events, "event")
    yield from _numbered(release, "entry")
    placed = {
        "append": {line["payload"]["id"]: line["seq"] for line in events},
        "promote": {line["metadata"]["notes"]: line["seq"] for line in release},
    }
    times = Counter(line["payload"]["id"] for line in events)
    times.update(line["metadata"]["notes"] for line in release)
    yield from (f"{name} is stored {n} times" for name, n in times.items() if n > 1)
    known = {op["id"] for op in operations}
    yield from (f"{name} is stored, and nobody asked for it" for name in times if name not in known)
    for op in operations:
        seq = placed.get(op["op"], {}).get(op["id"])
        if op["op"] == "finish":
            continue
        if op["outcome"] == "ok" and seq is None:
            yield f"{op['id']} was acknowledged, and is lost"
        elif op["outcome"] == "ok" and seq != op["seq"]:
            yield f"{op['id']} was told {op['seq']}, and stands at {seq}"
        elif op["outcome"] == "refused" and seq is not None:
            yield f"{op['id']} was refused, and stands at {seq}"
        if seq is not None and op.get("expect") is not None and seq != op["expect"] + 1:
            yield f"{op['id']} expected @{op['expect']}, and stands at {seq}"
    for kind in ("append", "promote"):
        yield from _in_order([op for op in operations if op["op"] == kind], placed[kind])
    yield from _sealed(operations, run)


def _numbered(lines, what):
    seqs = [line["seq"] for line in lines]
    if seqs != list(range(1, len(seqs) + 1)):
        yield f"the numbers of the {what} lines have a gap"


def _in_order(operations, placed):
    """What ended before another began stands before it."""
    stored = sorted(
        (op for op in operations if op["id"] in placed), key=lambda op: placed[op["id"]]
    )
    first_end = float("inf")
    for op in reversed(stored):
        if first_end < op["start"]:
            yield f"{op['id']} began after something had ended that stands behind it"
        if op["end"] is not None and op["outcome"] == "ok":
            first_end = min(first_end, op["end"])


def _sealed(operations, run):
    ends = [number for number, line in enumerate(run, 1) if line["type"] == "end"]
    finished = [op for op in operations if op["op"] == "finish" and op["outcome"] == "ok"]
    if len(finished) > 1:
        yield "the run was finished more than once"
    if finished and ends != [len(run)]:
        yield "the run was finished, and its end is not its last line"
    for done in finished:
        for op in operations:
            late = op["op"] == "append" and op["start"] > done["end"]
            if late and op["outcome"] in {"ok", "unknown"}:
                yield f"{op['id']} began after the end of the run, and was not refused"
