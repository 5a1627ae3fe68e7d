"""`aivcs bundle verify`: checks a bundle: each blob, each log, and the heads of all logs."""

from __future__ import annotations

from aivcs.errors import IntegrityError, SerializationError, StorageError, UnsupportedFormatError
from aivcs.log.heads import heads_in
from aivcs.log.verify_run import DAMAGE
from aivcs.model.digest import ContentDigest
from aivcs.store.adopt import standing
from aivcs.store.annotations import inspect
from aivcs.store.erasures import inspect as inspect_erasures
from aivcs.store.finding import Finding

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from aivcs.model.record import Head
    from aivcs.repository import Repository
    from aivcs.signing.ssh import Verifier

HEADS, SIGNATURE = "heads.json", "heads.json.sig"
_FIX = "get the bundle again from where it was made"


def verify(
    bundle: Repository,
    progress: Callable[[str, int], None],
    *,
    verifier: Verifier | None = None,
    head: str | None = None,
) -> Iterator[Finding]:
    """Yields the damage in a bundle, and where it contradicts its heads.

    Args:
        bundle: The bundle.
        progress: Called with the part and the bytes of each blob and log that was read.
        verifier: Knows whose signature counts; None checks none.
        head: The digest that the heads manifest must have, kept elsewhere; None for any.
    """
    found = bundle.store.documents.read(HEADS)
    if found is None:
        yield Finding(DAMAGE, HEADS, None, "it is missing", _FIX)
        return
    digest = ContentDigest.from_bytes(found[0])
    if head is not None and digest != head.lower():
        problem = f"its digest is {digest}, but the one that was kept is {head}"
        yield Finding(DAMAGE, HEADS, None, problem, _FIX)
    if verifier is not None:
        yield from _signature(bundle, digest, verifier)
    yield from bundle.store.inspect(frozenset({"blobs", "runs", "releases"}), progress)
    documents = bundle.store.documents
    yield from inspect(documents, lambda run_id: bool(standing(bundle.store.logs, f"run/{run_id}")))
    yield from inspect_erasures(documents)
    try:
        stated = dict(heads_in(found[0]))
    except (SerializationError, UnsupportedFormatError) as error:
        yield Finding(DAMAGE, HEADS, None, f"it is not a heads manifest: {error}", _FIX)
        return
    yield from _compare(bundle, stated)


def require_heads(bundle: Repository) -> ContentDigest:
    """Requires that a bundle has the logs and annotations that its heads manifest names.

    It reads only the ends of the logs: whoever copies a log proves what is before its end.
    It returns the digest of the manifest.

    Raises:
        IntegrityError: The manifest is missing or damaged, or the bundle contradicts it.
    """
    data, _ = bundle.store.documents.read(HEADS) or (b"", "")
    try:
        stated = dict(heads_in(data))
    except SerializationError as error:
        problem = f"is not a heads manifest: {error}" if data else "is missing"
        raise IntegrityError.of(f"{HEADS} {problem}; nothing was copied. Now: {_FIX}") from error
    for finding in _compare(bundle, stated):
        raise IntegrityError.of(
            f"the bundle is not what it was: {finding.where}: {finding.problem}; "
            f"nothing was copied. Now: {_FIX}",
            finding.where,
        )
    return ContentDigest.from_bytes(data)


def _compare(bundle: Repository, stated: dict[str, Head | None]) -> Iterator[Finding]:
    logs = bundle.store.logs
    there = {*logs.names(), *bundle.erasures.names(), *bundle.annotations.names()}
    for name in sorted(there | stated.keys()):
        if name not in there:
            yield Finding(DAMAGE, name, None, "the heads name it, but it is not there", _FIX)
        elif name not in stated:
            yield Finding(DAMAGE, name, None, "it is there, but the heads do not name it", _FIX)
        elif stated[name] is not None:
            try:
                head = standing(logs, name)
            except StorageError as error:
                if error.is_store_away:
                    raise
                continue  # found before
            if head != stated[name]:
                problem = f"it has {head.lines} lines up to {head.hash}; the heads say otherwise"
                yield Finding(DAMAGE, name, head.lines, problem, _FIX)


def _signature(bundle: Repository, digest: ContentDigest, verifier: Verifier) -> Iterator[Finding]:
    from aivcs.signing.check import TRUSTED
    from aivcs.signing.ssh import HEAD

    signature = bundle.store.documents.read(SIGNATURE)
    if signature is None:
        yield Finding(DAMAGE, HEADS, None, "it is not signed", _FIX)
        return
    signed = verifier.check(digest, signature[0].decode(errors="replace"), HEAD, None)
    if signed.state != TRUSTED:
        problem = f"nobody who is allowed to signed it: {signed.detail}"
        yield Finding(DAMAGE, HEADS, None, problem, _FIX)
