"""`aivcs bundle create`: writes a store, or a selection of it, into one file."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, BinaryIO

from aivcs.errors import BackendError, UsageError
from aivcs.sync.bundle import BundleWriter
from aivcs.util.writing import sync_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from aivcs.model.digest import ContentDigest
    from aivcs.repository import Repository
    from aivcs.sync.bundle import Written


_WRITE_BACK_BYTES = 16 << 20
"""Bytes after which the disk begins to write them."""


def create(
    repo: Repository,
    path: str,
    *,
    runs: Iterable[str] | None = None,
    releases: Iterable[str] = (),
    sign: Callable[[ContentDigest], str] | None = None,
    progress: Callable[[int], None] = lambda _: None,
) -> Written:
    """Writes a bundle to a file, which appears whole and durable or not at all.

    Args:
        repo: The store.
        path: The file; a file of this name is replaced.
        runs: The ids of the runs; None is the whole store.
        releases: As for `BundleWriter.write`.
        sign: As for `BundleWriter.write`.
        progress: Called with the number of bytes that were written.

    Raises:
        UsageError: The path is a folder, a device or a pipe.
        IntegrityError: Something of it is damaged.
        BackendError: Something cannot be read, or the file cannot be written.
    """
    if os.path.exists(path) and not os.path.isfile(path):
        raise UsageError(f"{path!a} is a folder, a device or a pipe; name a file")
    part = f"{path}.part"
    try:
        with open(part, "wb") as file:
            written = BundleWriter(repo, file, _writing_back(file, progress)).write(
                runs, releases, sign
            )
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
        sync_folder(os.path.dirname(path) or ".")
    except OSError as error:
        _remove(part)
        raise BackendError(f"cannot write {path}: {error.strerror or error}") from error
    except BaseException:
        _remove(part)
        raise
    return written


def _writing_back(file: BinaryIO, progress: Callable[[int], None]) -> Callable[[int], None]:
    """Returns a progress that has the disk write what was written, so that the end is quick."""
    from aivcs.util.syscalls import begin_writing_back

    begun = written = 0

    def advance(size: int) -> None:
        nonlocal begun, written
        progress(size)
        written += size
        if written - begun >= _WRITE_BACK_BYTES:
            begin_writing_back(file.fileno(), begun, written - begun)
            begun = written

    return advance


def _remove(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        pass
