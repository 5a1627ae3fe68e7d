"""Keeps the original of an imported session: a masked blob, and an annotation that names it."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, BinaryIO

from aivcs.commands.run.session import KIND
from aivcs.store.annotations import compose

if TYPE_CHECKING:
    from aivcs.commands.run.import_ import Imported
    from aivcs.formats.masking import Masker
    from aivcs.repository import Repository

_MAX_LINE = 64 << 20
"""Bytes of a line, at most: it is masked as a whole, so that no secret is cut in two."""


class _TooLongError(Exception):
    """A line cannot be masked as a whole."""


def keep_source(
    repo: Repository,
    stream: BinaryIO,
    size: int,
    ended: list[Imported],
    *,
    name: str,
    masker: Masker | None,
    by: str,
) -> None:
    """Stores the source of runs that have ended, and an annotation of each that names it.

    Nothing is stored of a source that cannot be read twice, such as a pipe, or that has a line too
    long to be masked.

    Args:
        repo: The repository.
        stream: The source.
        size: The bytes of it that were imported.
        ended: The sessions whose runs have ended.
        name: The name of the source.
        masker: What masks secrets; None for nothing.
        by: Who imports it.

    Raises:
        BackendError: It could not be stored.
    """
    try:
        stream.seek(0)
    except (OSError, ValueError):
        return
    counts = dict(masker.counts) if masker is not None else {}
    readable = _Masked(stream, size, masker)
    with repo.hold(later=True):
        try:
            digest = repo.blobs.put_stream(readable)  # type: ignore[arg-type]
        except _TooLongError:
            return
        finally:
            if masker is not None:
                is_masked = masker.counts != counts
                masker.counts = counts  # its secrets were counted with the events
        for one in ended:
            payload: dict[str, Any] = {
                "format": one.format, "session": one.session, "name": name, "bytes": size,
                "blob": {"$blob": digest}, "masked": masker is not None and is_masked,
            }  # fmt: skip
            repo.annotations.add(compose(one.run_id, KIND, payload, by=by))


class _Masked:
    """The first bytes of a stream, line by line without its secrets: a readable for a blob."""

    def __init__(self, stream: BinaryIO, size: int, masker: Masker | None) -> None:
        self._lines = io.BufferedReader(_Beginning(stream, size), 1 << 18)
        self._masker = masker
        self._rest = b""

    def read(self, size: int = -1) -> bytes:
        if self._masker is None:
            return self._lines.read(size)
        while len(self._rest) < size:
            line = self._lines.readline(_MAX_LINE)
            if not line:
                break
            if len(line) == _MAX_LINE:
                raise _TooLongError
            text = self._masker.mask_text(line.decode("utf-8", "surrogateescape"))
            self._rest += text.encode("utf-8", "surrogateescape")
        data, self._rest = self._rest[:size], self._rest[size:]
        return data


class _Beginning(io.RawIOBase):
    """The first bytes of a stream, which stays open."""

    def __init__(self, stream: BinaryIO, size: int) -> None:
        self._stream = stream
        self._left = size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._stream.read(min(len(buffer), self._left)) or b""
        buffer[: len(data)] = data
        self._left -= len(data)
        return len(data)
