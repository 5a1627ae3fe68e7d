"""Changes releases at another store: sends what they need, and pulls the log back."""

from __future__ import annotations

from itertools import chain

from aivcs.commands.remote.copy import Copy
from aivcs.config.remotes import ORIGIN
from aivcs.errors import ConflictError
from aivcs.sync.blobs import BlobCopier
from aivcs.sync.plan import DIVERGED
from aivcs.sync.references import parts, skip_seen
from aivcs.sync.releases import pull_releases
from aivcs.sync.transfer import FAILED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from aivcs.model.digest import ContentDigest
    from aivcs.repository import Repository
    from aivcs.sync.transfer import Copied


class HomeStore:
    """The store at which a name's releases are changed."""

    def __init__(self, here: Repository, there: Repository, remote: str = ORIGIN) -> None:
        """Takes this store, the other one, and its name here."""
        self._here = here
        self._there = there
        self._remote = remote
        self._blobs = BlobCopier(here.store, there.store, lambda _: None)

    def send_spec(self, text: str) -> ContentDigest:
        """Copies a spec with its parts, as far as they are here; returns its digest.

        Args:
            text: The spec, as for `Repository.resolve_spec` of this store.

        Raises:
            IntegrityError: A part of it is damaged.
            NotFoundError: There is no such spec here.
        """
        digest = self._here.resolve_spec(text, allow_missing=True)
        self._blobs.copy(parts(self._here.blobs, [digest], skip_seen(set())))
        for error in self._blobs.damaged.values():
            raise error
        return digest

    def send_run(self, text: str) -> str:
        """Copies a run with its blobs and annotations, so that no refusal is left here.

        Returns its id.

        Args:
            text: The run, as for `Repository.resolve_run` of this store, or one of the other.

        Raises:
            StorageError: The run cannot be copied.
        """
        run_id = self._here.resolve_run(text)
        copy = Copy(self._here, self._there, own=self._here, selection=[run_id])
        copied = copy.copy_erasures(applies=True), copy.copy_runs(), copy.copy_annotations()
        for outcome in chain.from_iterable(copied):
            if outcome.action in {DIVERGED, FAILED}:
                raise outcome.error or ConflictError(f"run {run_id} cannot be pushed")
        return run_id

    def pull_back(self, name: str) -> Iterator[Copied]:
        """Pulls the log of a name; yields what became of it.

        It becomes this store's own log if there is none, or one that is a beginning of it.
        """
        blobs = BlobCopier(self._there.store, self._here.store, lambda _: None)
        return pull_releases(
            self._there, self._here, [name], blobs, remote=self._remote, is_home=lambda _: True
        )
