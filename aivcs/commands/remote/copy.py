"""Copies runs, and on request releases, between two open stores: the work of push and pull."""

from __future__ import annotations

from collections import Counter
from heapq import merge

from aivcs.commands.erasing import complete
from aivcs.store.identity import identify
from aivcs.sync.annotations import copy_annotations
from aivcs.sync.erasures import copy_erasures
from aivcs.sync.known import Known
from aivcs.sync.plan import EXTENDED, NEW, Candidate, candidates
from aivcs.sync.releases import pull_releases
from aivcs.sync.stamps import Settled
from aivcs.sync.transfer import RunCopier

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from aivcs.repository import Repository
    from aivcs.sync.transfer import Copied

_FEW = 64
"""Number of selected runs up to which each is looked up; for more, the target is listed."""


class Copy:
    """A copy of one store's content into another.

    Attributes:
        runs: The copier of runs, which counts.
        others: The number of erasures, annotations and release logs that were copied, by kind.
    """

    def __init__(
        self,
        source: Repository,
        target: Repository,
        *,
        own: Repository,
        selection: Sequence[str] | None = None,
        believe: bool = True,
        remembers: bool = True,
        dry_run: bool = False,
        progress: Callable[[int], None] = lambda _: None,
        scans: bool = False,
        untrusted: str | None = None,
    ) -> None:
        """Takes both stores; writes nothing yet.

        Args:
            source: Where the content is.
            target: Where it is copied to.
            own: The one of both that keeps the memory of what is settled with the other.
            selection: The ids of the runs to copy; None is all.
            believe: Whether to believe that memory.
            remembers: Whether there is such a memory: not of a bundle, which is a store of once.
            dry_run: Whether to write nothing.
            progress: Called with the bytes that were read.
            scans: As for `RunCopier`.
            untrusted: As for `RunCopier`.
        """
        self._source = source
        self._target = target
        self._own = own
        self._scans = scans
        self._selection = selection
        self._dry_run = dry_run
        self._is_untrusted = untrusted is not None
        self._applies = False
        self.others: Counter[str] = Counter()
        other = target if own is source else source
        self._known = None
        if remembers:
            self._known = Known(own.store.documents, identify(other.store.documents))
        self._believe = believe
        self.runs = RunCopier(
            source, target, progress=progress, scans=scans, untrusted=untrusted, dry_run=dry_run
        )

    def copy_erasures(self, *, applies: bool) -> Iterator[Copied]:
        """Copies the records of erasures, which comes first; yields what became of each.

        Args:
            applies: Whether to take those that erase something in the target; `copy_runs` does.

        Raises:
            StorageError: A store failed, and the rest was not copied.
        """
        self._applies = applies
        outcomes = copy_erasures(
            self._source,
            self._target,
            applies=applies,
            is_trusted=not self._is_untrusted,
            dry_run=self._dry_run,
        )
        return self._counted("erasure", outcomes)

    def copy_runs(self) -> Iterator[Copied]:
        """Copies the runs; yields what became of each that is not equal already.

        Last, it carries out the erasures that the target has records of.

        Raises:
            StorageError: A store failed, and the rest was not copied.
        """
        known = None if self._dry_run else self._known
        settled = self._settled()
        yield from self.runs.copy(self._candidates(settled), known, settled)
        if settled is not None and not self._dry_run:
            settled.save()
        if self._applies and not self._dry_run:
            complete(self._target)

    def _settled(self) -> Settled | None:
        """Returns the memory of whole groups; None where not all runs are looked at."""
        if self._known is None or self._selection is not None:
            return None
        direction = "push" if self._own is self._source else "pull"
        name = self._known.stamps_name(direction)
        return Settled(self._own.store.documents, name, self._source, self._target)

    def copy_annotations(self) -> Iterator[Copied]:
        """Copies the annotations of runs that both sides have now; yields what became of each."""
        outcomes = copy_annotations(
            self._source,
            self._target,
            self.runs.blobs,
            runs=None if self._selection is None else frozenset(self._selection),
            scans=self._scans,
            dry_run=self._dry_run,
        )
        return self._counted("annotation", outcomes)

    def pull_releases(self, remote: str, is_home: Callable[[str], bool]) -> Iterator[Copied]:
        """Pulls the release logs of the source; as `aivcs.sync.releases.pull_releases`."""
        outcomes = pull_releases(
            self._source,
            self._target,
            self._source.releases.list_names(),
            self.runs.blobs,
            remote=remote,
            is_home=is_home,
            dry_run=self._dry_run,
        )
        return self._counted("release log", outcomes)

    def _counted(self, kind: str, outcomes: Iterable[Copied]) -> Iterator[Copied]:
        for outcome in outcomes:
            self.others[kind] += outcome.action in {NEW, EXTENDED}
            yield outcome

    def _candidates(self, settled: Settled | None) -> Iterator[Candidate]:
        known = None if self._known is None or not self._believe else self._known
        if self._selection is not None and len(self._selection) <= _FEW:
            return (Candidate(run_id, True) for run_id in sorted(self._selection))
        groups = settled.groups() if settled is not None and known is not None else None
        wanted = None if groups is None else list(groups)
        ids = sorted(self._selection) if self._selection is not None else _ids(self._source, wanted)
        found = candidates(
            ids, _ids(self._target, wanted), iter(()) if known is None else known.ids(wanted)
        )
        if settled is None or groups is None:
            return found
        return merge(found, (Candidate(run_id, True) for run_id in settled.open_runs()))


def _ids(repo: Repository, groups: Sequence[str] | None) -> Iterator[str]:
    """Yields the ids of the runs of a store that begin with one of some texts, in order."""
    for group in [""] if groups is None else groups:
        for name in repo.store.logs.names(f"run/{group}", strict=False):
            yield name.removeprefix("run/")
