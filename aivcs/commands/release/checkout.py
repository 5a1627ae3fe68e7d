"""`aivcs release checkout`: puts the live release into a folder, and switches to it in one step.

    DIR/current -> releases/<digest>      a link, replaced by rename
    DIR/releases/<digest>/…               a version, complete before it has this name

A reader who follows the link sees one version or the other, never a mixture. A crash leaves the
link as it was, or as it should be; the next call removes what it left behind in `releases`.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from shutil import rmtree
from time import monotonic, sleep
from typing import TYPE_CHECKING, NamedTuple

from aivcs.commands.release.current import current
from aivcs.commands.release.vet import require_deployable
from aivcs.errors import BackendError, ConflictError, LockTimeoutError, UsageError
from aivcs.model.digest import is_hex
from aivcs.specs.checkout import FORCE_HINT, checkout as write_spec
from aivcs.util.writing import require_outside_stores, sync_folder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aivcs.commands.release.vet import Terms
    from aivcs.model.release import ReleaseRecord
    from aivcs.repository import Repository

KEEP = 3
"""Versions kept, unless another number is asked for."""
_VERSIONS, _LINK = "releases", "current"
_TEMPORARY = ".aivcs-"
"""Prefixes of names that a crash may leave behind."""


class Deployed(NamedTuple):
    """A release in a folder.

    Attributes:
        record: The release.
        path: The folder of the version.
        is_new: Whether the link was switched.
    """

    record: ReleaseRecord
    path: str
    is_new: bool


def checkout(
    repo: Repository, name: str, folder: str, *, keep: int = KEEP, terms: Terms | None = None
) -> Deployed:
    """Writes the files of the live release, and makes `current` a link to them.

    Args:
        repo: The repository.
        name: The agent's name.
        folder: The folder; made if it does not exist.
        keep: How many versions stay, the current one included; the oldest are removed.
        terms: The conditions that the release must meet; None for none.

    Raises:
        UsageError: The folder is not usable, `keep` is below 1, or the spec has no files.
        ReleaseNotFoundError: The name has no release.
        ConflictError: The name belongs to another store, the release does not meet the terms, files
            of its version were changed, or something else is in the place of the link; the link is
            as before.
        IntegrityError: A blob or the log is damaged; the link is as before.
        NotFoundError: A blob is not in the store; the link is as before.
        LockTimeoutError: Another checkout takes too long.
        BackendError: A file cannot be written; the link is as before.
    """
    if keep < 1:
        raise UsageError("--keep takes a number of versions, 1 or more")
    if not folder:
        raise UsageError("DIR is empty; is a variable unset?")
    repo.require_store_of(name)
    versions = os.path.join(folder, _VERSIONS)
    try:
        require_outside_stores(versions)
        link = os.path.join(folder, _LINK)
        if os.path.lexists(link) and not os.path.islink(link):
            raise ConflictError(f"{link!a} is there and is not a link; move it away")
        os.makedirs(versions, exist_ok=True)
        with _lock(versions, repo.store.settings.lock_timeout):
            record = current(repo, name)  # under the lock: the last caller wins
            if terms is not None:
                require_deployable(repo, name, record.seq, terms)
            _sweep(versions)
            path = os.path.join(versions, record.spec_digest)
            _write(repo, record, versions, path)
            is_new = _switch(folder, link, os.path.join(_VERSIONS, record.spec_digest))
            _prune(versions, record.spec_digest, keep)
    except ValueError:
        raise UsageError(f"DIR {folder!a} cannot be a path") from None
    except OSError as error:
        raise BackendError(f"cannot write to {folder!a}: {error.strerror}") from error
    return Deployed(record, path, is_new)


@contextmanager
def _lock(folder: str, seconds: float) -> Iterator[None]:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    end = monotonic() + seconds
    try:
        while True:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if monotonic() > end:
                    raise LockTimeoutError(folder, seconds) from None
                sleep(0.05)
        yield
    finally:
        os.close(fd)


def _write(repo: Repository, record: ReleaseRecord, versions: str, path: str) -> None:
    """Writes a version, or makes sure that it is as it was written."""
    if os.path.isdir(path):
        try:
            write_spec(repo, record.spec_digest, path)
        except ConflictError as error:
            reason = str(error).removesuffix(FORCE_HINT)
            raise ConflictError(
                f"files of {path!a} were changed since they were written: {reason}. "
                "Move that folder away, then try again"
            ) from error
    else:
        staging = _temporary(versions)
        write_spec(repo, record.spec_digest, staging)
        _sync(staging)
        os.rename(staging, path)
    os.utime(path)  # by which the oldest are told
    sync_folder(versions)


def _switch(folder: str, link: str, target: str) -> bool:
    if os.path.islink(link) and os.readlink(link) == target:
        return False
    staging = _temporary(folder)
    os.symlink(target, staging)
    try:
        os.rename(staging, link)
    except BaseException:
        os.unlink(staging)
        raise
    sync_folder(folder)
    return True


def _prune(versions: str, live: str, keep: int) -> None:
    """Removes the versions that were current longest ago; keeps `keep` of them."""
    found = [name for name in os.listdir(versions) if len(name) == 64 and is_hex(name)]
    found.sort(key=lambda name: os.stat(os.path.join(versions, name)).st_mtime_ns, reverse=True)
    others = [name for name in found if name != live]
    for name in others[keep - 1 :]:
        # A version whose name is there is complete, so it loses the name first.
        staging = _temporary(versions)
        os.rename(os.path.join(versions, name), staging)
        rmtree(staging, ignore_errors=True)


def _sweep(versions: str) -> None:
    """Removes what a crash left behind; nobody else is writing."""
    for name in os.listdir(versions):
        if name.startswith(_TEMPORARY):
            rmtree(os.path.join(versions, name), ignore_errors=True)


def _temporary(folder: str) -> str:
    return os.path.join(folder, f"{_TEMPORARY}{os.urandom(6).hex()}")


def _sync(folder: str) -> None:
    """Makes the files below a folder durable: a link to them must not outlive them."""
    for where, _, names in os.walk(folder):
        for name in names:
            fd = os.open(os.path.join(where, name), os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
            try:
                os.fsync(fd)
            finally:
                os.close(fd)
        sync_folder(where)
