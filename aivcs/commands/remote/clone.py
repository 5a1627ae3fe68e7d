"""`aivcs clone`: makes a store that has all of another."""

from __future__ import annotations

from itertools import chain, islice

from aivcs.commands.remote.copy import Copy
from aivcs.config.keys import render_config
from aivcs.config.layers import parse_config
from aivcs.config.remotes import ORIGIN
from aivcs.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from aivcs.model.digest import ContentDigest
    from aivcs.repository import Repository
    from aivcs.sync.transfer import Copied

_BATCH = 4096
"""Blobs that are copied in one hold."""
CLONING = "remotes/cloning/bundle"
"""The document with the digest of a bundle's heads, as long as its clone is not complete."""


def prepare(target: Repository, url: str, heads: ContentDigest | None = None) -> None:
    """Makes a store a clone of another: its remote `origin`, where its releases are changed.

    A clone of a bundle has no remote, and is marked by `CLONING` until it is complete.

    Args:
        target: The new store, or one whose cloning was interrupted.
        url: The other store.
        heads: The digest of the heads manifest, if the other one is a bundle.

    Raises:
        UsageError: The store exists, and is not a clone of the other one.
    """
    documents = target.store.documents
    found, begun = documents.read("config.toml"), documents.read(CLONING)
    if heads is None and found is not None:
        origin = parse_config(found[0], "config.toml").get(f"remote.{ORIGIN}.url")
        if origin == url:
            return
    mark = f"{heads}\n".encode()
    if heads is not None and begun is not None and begun[0] == mark:
        return
    has_content = chain([found, begun], target.store.logs.names(), target.blobs.list_digests())
    if any(has_content) or (heads is not None and not documents.create(CLONING, mark)):
        raise UsageError(
            f"{target.path} is there already; pull into it, or give another DIR to clone to"
        )
    if heads is not None:
        return

    def edit(text: bytes | None) -> bytes:
        text = render_config(text, f"remote.{ORIGIN}.url", url)
        return render_config(text, "release.home.*", ORIGIN)

    target.edit_config(edit)


class Clone:
    """A copy of a whole store.

    Attributes:
        copy: The copy, which counts.
    """

    def __init__(
        self,
        source: Repository,
        target: Repository,
        *,
        remembers: bool = True,
        progress: Callable[[int], None] = lambda _: None,
    ) -> None:
        """Takes both stores.

        Args:
            source: The store.
            target: The new store.
            remembers: Whether to remember what is settled with the source.
            progress: Called with the bytes that were read.
        """
        self._source = source
        self._target = target
        self.copy = Copy(source, target, own=target, remembers=remembers, progress=progress)

    def run(self) -> Iterator[Copied]:
        """Copies blobs, runs, releases and pins; yields what became of each log.

        Raises:
            StorageError: A store failed; cloning again goes on.
        """
        yield from self.copy.copy_erasures(applies=True)
        self.copy.runs.blobs.erased = self._target.erasures.load().blobs
        digests = self._source.blobs.list_digests()
        while batch := list(islice(digests, _BATCH)):
            with self._target.hold():
                self.copy.runs.blobs.copy(batch)
        yield from self.copy.copy_runs()
        yield from self.copy.copy_annotations()
        yield from self.copy.pull_releases(ORIGIN, lambda _: True)
        for pin in self._source.pins():
            if self._target.blobs.contains(self._target.resolve_digest(pin)):
                self._target.pin(pin)
