"""Verifies a store through its driver alone, for a backend without a verification of its own."""

from __future__ import annotations

from aivcs.errors import IntegrityError, NotFoundError, StorageError
from aivcs.log.verify_release import release_problems
from aivcs.log.verify_run import DAMAGE, Links, run_problems
from aivcs.store.erasures import DocumentErasures
from aivcs.store.finding import Finding
from aivcs.util.disk_map import DiskMap

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from aivcs.log.erasure import Erasures
    from aivcs.log.verify_run import Problem
    from aivcs.model.digest import ContentDigest
    from aivcs.store.driver import Backend

    Progress = Callable[[str, int], None]

_CHUNK = 1 << 20
"""Bytes of a blob read at once."""
_READ = "look at what keeps the store, then verify again"
_HEAL = "put the same content again, which replaces it: aivcs blob put FILE"


def inspect(backend: Backend, parts: frozenset[str], progress: Progress) -> Iterator[Finding]:
    """Reads parts of a store completely and yields the problems found.

    It repairs nothing: a device that keeps whole values has no truncated ones.
    """
    if "blobs" in parts:
        yield from _blobs(backend, progress)
    erasures = DocumentErasures(backend.documents).load_readable()
    for part, prefix in (("runs", "run/"), ("releases", "release/")):
        if part in parts:
            for name in backend.logs.names(prefix):
                yield from _log(backend, part, name, progress, erasures)


def _blobs(backend: Backend, progress: Progress) -> Iterator[Finding]:
    for digest, size, _ in backend.objects.stored():
        try:
            with backend.objects.open(digest) as stream:
                while stream.read(_CHUNK):
                    pass
        except NotFoundError:
            continue  # gone since
        except IntegrityError as error:
            problem = f"its bytes are damaged: they hash to {error.actual}"
            yield Finding(DAMAGE, digest, None, problem, _HEAL)
        except StorageError as error:
            if error.is_store_away:
                raise
            yield Finding(DAMAGE, digest, None, f"it cannot be read: {error}", _READ)
        progress("blobs", size)
    for name in backend.documents.names("pins/"):
        pinned = name.removeprefix("pins/")
        if not _has_blob(backend)(pinned):
            problem = "it is pinned, but it is not in this store"
            remedy = f"put the content again, or remove the pin: aivcs blob unpin {pinned}"
            yield Finding(DAMAGE, pinned, None, problem, remedy)


def _log(
    backend: Backend, part: str, name: str, progress: Progress, erasures: Erasures
) -> Iterator[Finding]:
    where, rest = backend.logs.where(name), name.partition("/")[2]
    size = 0

    def problems(links: Links) -> Iterator[Problem]:
        if part == "runs":
            return run_problems(links, rest, _has_blob(backend), DiskMap, erasures)
        return release_problems(links, rest, _has_blob(backend), DiskMap)

    try:
        with backend.logs.look(name) as view:
            if view is None:
                return

            def lines() -> Iterator[bytes]:
                nonlocal size
                for line in view.forth():
                    size += len(line)
                    yield line

            links = Links(lines())
            for found in problems(links):
                yield Finding(found.severity, where, found.line, found.problem, found.remedy)
            broken = links.break_found()
            if broken is not None:
                yield Finding(broken.severity, where, broken.line, broken.problem, broken.remedy)
    except StorageError as error:
        if error.is_store_away:
            raise
        yield Finding(DAMAGE, where, None, str(error), _READ)
    progress(part, size)


def _has_blob(backend: Backend) -> Callable[[str], bool]:
    def has_blob(digest: str | ContentDigest) -> bool:
        from aivcs.model.digest import ContentDigest

        return backend.objects.contains(ContentDigest(digest))

    return has_blob
