"""The blobs that a run declares: its spec with all parts, files of its events, its final state.

A copy follows these alone. `gc` keeps whatever looks like a digest; sending all of that to another
store would send what nobody meant to send.
"""

from __future__ import annotations

from aivcs.errors import IntegrityError, NotFoundError
from aivcs.log import chain
from aivcs.log.verify_run import blobs_in
from aivcs.model.digest import ContentDigest
from aivcs.specs.check import parts_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from aivcs.store.contracts import CasStore


def declared(line: bytes) -> Iterator[ContentDigest]:
    """Yields the blobs that a line of a run's log declares.

    Raises:
        IntegrityError: The line is not an entry of a log.
        UnsupportedFormatError: A later version wrote it.
    """
    if line.startswith(b'{"type":"event"'):
        if b'"$blob"' in line:
            yield from map(ContentDigest, blobs_in(chain.members(line).get("payload")))
        return
    if chain.is_redacted(line):
        return
    entry = chain.members(line)
    summary = entry.get("summary")
    for text in (
        entry.get("spec_digest"),
        summary.get("final_state_digest") if isinstance(summary, dict) else None,
    ):
        if isinstance(text, str) and len(text) == 64:
            yield ContentDigest(text)


def spec_of(line: bytes) -> ContentDigest | None:
    """Returns the spec that a line names; None if it is another line than the first of a run."""
    if not line.startswith(b'{"type":"run"'):
        return None
    text = chain.members(line).get("spec_digest")
    return ContentDigest(text) if isinstance(text, str) else None


def parts(
    blobs: CasStore, digests: Iterable[ContentDigest], skip: Callable[[ContentDigest], bool]
) -> Iterator[ContentDigest]:
    """Yields specs, their parts, and the files of these, each once.

    A blob that is missing or damaged has no parts here; copying it will tell.

    Args:
        blobs: The blobs.
        digests: The specs.
        skip: Tells whether a blob, with what it names, was yielded before.
    """
    waiting = [(digest, True) for digest in digests]
    while waiting:
        digest, is_spec = waiting.pop()
        if skip(digest):
            continue
        yield digest
        try:
            found = parts_of(blobs, digest, is_spec=is_spec)
        except (NotFoundError, IntegrityError):
            continue
        waiting += [(part, False) for part in found]


def skip_seen(seen: set[ContentDigest]) -> Callable[[ContentDigest], bool]:
    """Returns a function for `parts` that tells whether a blob is in a set, and adds it."""

    def skip(digest: ContentDigest) -> bool:
        is_seen = digest in seen
        seen.add(digest)
        return is_seen

    return skip
