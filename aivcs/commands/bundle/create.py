"""`aivcs bundle create`: writes a store, or a selection of it, into one file."""

from __future__ import annotations

import os
from stat import S_ISREG
from typing import TYPE_CHECKING, BinaryIO

from aivcs.errors import BackendError, UsageError
from aivcs.sync.bundle import BundleWriter
from aivcs.util.writing import require_outside_stores, sync_folder

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
        path: The file; a regular file of this name is replaced.
        runs: The ids of the runs; None is the whole store.
        releases: As for `BundleWriter.write`.
        sign: As for `BundleWriter.write`.
        progress: Called with the number of bytes that were written.

    Raises:
        UsageError: The path is a folder, a device, a pipe, or in a store.
        IntegrityError: Something of it is damaged.
        BackendError: Something cannot be read, or the file cannot be written.
    """
    require_outside_stores(path)
    mode = _mode_of(path)
    target = os.path.realpath(path)
    # A name of its own: two that write to one file at once must not write into each other's.
    part = f"{target}.{os.urandom(4).hex()}.aivcs-tmp"
    try:
        with open(part, "xb") as file:
            if mode is not None:
                os.fchmod(file.fileno(), mode)
            written = BundleWriter(repo, file, _writing_back(file, progress)).write(
                runs, releases, sign
            )
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, target)
        sync_folder(os.path.dirname(target))
    except OSError as error:
        _remove(part)
        raise BackendError(f"cannot write {path}: {error.strerror or error}") from error
    except BaseException:
        _remove(part)
        raise
    return written


def _mode_of(path: str) -> int | None:
    """Returns the permissions of a regular file that is to be replaced; None if there is none."""
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        return None
    except OSError as error:
        raise BackendError(f"cannot write {path}: {error.strerror}") from error
    if not S_ISREG(mode):
        raise UsageError(f"{path!a} is a folder, a device or a pipe; name a file")
    return mode & 0o777


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
