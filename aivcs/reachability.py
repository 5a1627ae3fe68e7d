"""What refers to a blob: the one rule by which a blob may be removed.

The rule is conservative: every string of exactly 64 hexadecimal digits counts as a reference,
wherever it stands in a run, a release, a pin, or a blob that is itself referred to and is JSON.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from aivcs.errors import ConflictError, InvalidDigestError
from aivcs.model import ContentDigest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aivcs.repository import Repository

MAX_JSON = 64 << 20
"""Bytes of a JSON blob that is searched for references, at most."""
_QUOTED = re.compile(rb'"([0-9a-fA-F]{64})"')
"""A string of JSON that reads as a digest; found in what is not quite JSON too, to be safe."""


def references(repo: Repository) -> Iterator[tuple[ContentDigest, str]]:
    """Yields every digest that something refers to, once, and what refers to it.

    Raises:
        ConflictError: A JSON blob is too large to be searched.
        IntegrityError: A log or a blob is damaged, so what it refers to cannot be known.
    """
    seen: set[ContentDigest] = set()
    for source, value in _roots(repo):
        waiting = [(digest, source) for digest in digests_in(value)]
        while waiting:
            digest, why = waiting.pop()
            if digest in seen:
                continue
            seen.add(digest)
            yield digest, why
            waiting += [(found, f"blob {digest}") for found in _digests_in_blob(repo, digest)]


def digests_in(value: object) -> Iterator[ContentDigest]:
    """Yields every string of a JSON value, keys included, that reads as a digest."""
    waiting = [value]
    while waiting:
        node = waiting.pop()
        if isinstance(node, str):
            if len(node) == 64:
                try:
                    yield ContentDigest(node)
                except InvalidDigestError:
                    continue
        elif isinstance(node, dict):
            waiting += node.keys()
            waiting += node.values()
        elif isinstance(node, (list, tuple)):
            waiting += node


def _roots(repo: Repository) -> Iterator[tuple[str, object]]:
    for name in repo.backend.pins():
        yield f"the pin {name}", name
    for name in repo.releases.list_names():
        for record in repo.releases.iter_history(name):
            yield f"release {name}@{record.seq}", record.to_json()
    for run_id in repo.runs.list_run_ids():
        yield f"run {run_id}", repo.runs.get_run(run_id).to_json()
        for event in repo.runs.iter_events(run_id):
            yield f"event {event.seq} of run {run_id}", [event.kind, event.payload]


def _digests_in_blob(repo: Repository, digest: ContentDigest) -> list[ContentDigest]:
    if not repo.blobs.contains(digest):
        return []
    with repo.blobs.open(digest) as stream:
        data = stream.read(MAX_JSON + 1)
    if data.lstrip(b" \t\r\n")[:1] not in {b"{", b"[", b'"'}:
        return []
    if len(data) > MAX_JSON:
        raise ConflictError(
            f"blob {digest} may be JSON but has over {MAX_JSON} bytes, so what it refers to "
            "cannot be known; nothing was removed"
        )
    return [ContentDigest(found.decode()) for found in _QUOTED.findall(data)]
