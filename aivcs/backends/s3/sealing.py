"""Joins the chunks of a run that has ended into one object, as a store in a folder has it.

The joined log is made once and counts only if it is equal to the chunks: it is read back, and only
then are the chunks between the first and the last emptied. They are not deleted, because a writer
that slept since before the end would succeed with a free number, and its events would be lost.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aivcs.backends.s3.chunks import joined_key, split
from aivcs.errors import IntegrityError
from aivcs.log import chain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aivcs.backends.s3.chunks import Chunks
    from aivcs.backends.s3.client import Client

MAX_BYTES = 64 << 20
"""Bytes of a log that is joined, at most: it is made in one request from memory."""
_TIMES = 3
"""Times that a log is joined anew because lines of it were erased meanwhile."""
_END = b'{"type":"end"'


def seal(client: Client, chunks: Chunks, log: str, listed: list[tuple[int, int]]) -> bool:
    """Joins and empties the chunks of a run if it has ended; tells whether it did.

    Args:
        client: The client of the store.
        chunks: The chunks of its logs.
        log: The log.
        listed: Number and size of each of its chunks. A later one is not missed: nothing follows
            the end of a run.

    Raises:
        IntegrityError: The log is damaged; nothing was changed.
    """
    if not listed or sum(size for _, size in listed) > MAX_BYTES:
        return False
    last = chunks.get(log, listed[-1][0])
    if last is None or not last.lines or not last.lines[-1].startswith(_END):
        return False
    place = joined_key(log)
    for _ in range(_TIMES):
        data = b"".join(_lines(chunks, log, [number for number, _ in listed]))
        with chain.naming(log):
            for _ in chain.verified_lines(split(data)):
                pass
        found = client.create(place, data)
        if found is not None and found.data != data:
            client.put(place, data)  # left by somebody else; the chunks are the truth
        stored = client.get(place)
        if stored is None or stored.data != data:
            raise IntegrityError.of(
                f"{place} is not what was written; the chunks stay as they are", log
            )
        now = list(chunks.listed(log))
        if now == listed:
            break
        listed = now  # lines were erased meanwhile, which the joined log must not have
    else:
        return False
    for number, size in listed[1:-1]:
        if size:
            chunks.empty(log, number)
    return True


def _lines(chunks: Chunks, log: str, numbers: list[int]) -> Iterator[bytes]:
    """All lines of a log, of emptied chunks from what was joined before."""
    joined: list[bytes] = []
    following = [*numbers[1:], 0]
    for chunk, end in zip(chunks.get_all(log, numbers, 4), following, strict=True):
        if chunk is None:
            raise IntegrityError.of(f"{log} has lost a chunk that was listed", log)
        if chunk.lines:
            yield from chunk.lines
        else:
            joined = joined or chunks.joined(log)
            yield from joined[chunk.number - 1 : end - 1]
