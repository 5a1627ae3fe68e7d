"""Keeps the original of an imported session: a masked blob, and an annotation that names it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, BinaryIO

from aivcs.commands.run.session import KIND
from aivcs.formats.masked_json import JsonMasker
from aivcs.store.annotations import compose

if TYPE_CHECKING:
    from aivcs.commands.run.import_ import Imported
    from aivcs.formats.masking import Masker
    from aivcs.repository import Repository

_CHUNK = 1 << 18
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
        name: The name of the source, masked.
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
    sessions = [one.session if masker is None else masker.mask_text(one.session) for one in ended]
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
        for one, session in zip(ended, sessions, strict=True):
            payload: dict[str, Any] = {
                "format": one.format, "session": session, "name": name, "bytes": size,
                "blob": {"$blob": digest}, "masked": masker is not None and is_masked,
            }  # fmt: skip
            repo.annotations.add(compose(one.run_id, KIND, payload, by=by))


class _Masked:
    """The first bytes of a stream without its secrets: a readable for a blob."""

    def __init__(self, stream: BinaryIO, size: int, masker: Masker | None) -> None:
        self._stream = stream
        self._left = size
        self._masker = None if masker is None else JsonMasker(masker, _MAX_LINE)
        self._rest = b""

    def read(self, size: int = -1) -> bytes:
        while self._left and len(self._rest) < size:
            data = self._stream.read(min(_CHUNK, self._left)) or b""
            self._left -= len(data) or self._left
            if self._masker is not None:
                data = self._masker.feed(data)
                if self._masker.is_cut:
                    raise _TooLongError
                if not self._left:
                    data += self._masker.end()
            self._rest += data
        data, self._rest = self._rest[:size], self._rest[size:]
        return data
