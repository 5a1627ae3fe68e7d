"""Reads the values that the pages show, on demand and masked.

Memory does not grow with the store. A run or log that cannot be read is noted in `unread`, and the
rest is shown.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from aivcs.codec.json import encode_trusted
from aivcs.commands.release.audit import verify
from aivcs.commands.release.diff import compare_releases
from aivcs.commands.release.history import history
from aivcs.commands.run.diff import RunComparison, compare_runs
from aivcs.commands.run.figures import RunFigures
from aivcs.commands.run.list import check_agents, list_ as list_runs
from aivcs.commands.spec.diff import compare_specs
from aivcs.errors import ReleaseNotFoundError, RunNotFoundError, StorageError
from aivcs.formats.masking import Masker
from aivcs.model.run import RunEvent
from aivcs.policy.evidence import evidence_for
from aivcs.present.history import FAILED, ReleaseEntry, entries
from aivcs.present.spec_difference import Line, lines
from aivcs.trace.timeline import steps

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from aivcs.commands.release.audit import Check
    from aivcs.log.run_filter import Outcome
    from aivcs.model.release import Evidence, ReleaseRecord
    from aivcs.model.run import RunId, RunRecord, RunStatus
    from aivcs.model.timestamp import Timestamp
    from aivcs.repository import Repository
    from aivcs.signing.ssh import Verifier
    from aivcs.trace.timeline import Step
    from aivcs.trace.usage import Figures, Price

_MAX_TAG_CHARS = 400
_MAX_KNOWN = 2000
"""Finished runs whose figures are kept: they never change."""


class History(NamedTuple):
    """The newest releases of a name.

    Attributes:
        name: The name.
        entries: Its releases, newest first.
        is_whole: Whether these are all.
        problems: What is wrong with the log as a whole.
    """

    name: str
    entries: list[ReleaseEntry]
    is_whole: bool
    problems: list[str]


class Source:
    """Reads a store for pages.

    Attributes:
        unread: What could not be read, and why.
    """

    def __init__(
        self,
        repo: Repository,
        *,
        masker: Masker | None,
        verifier: Verifier | None,
        environment: Mapping[str, str],
        known: dict[tuple[str, int], Figures] | None = None,
        prices: Mapping[str, Price] | None = None,
        erasers: Verifier | None = None,
    ) -> None:
        """Takes the store, and how it is to be read.

        Args:
            repo: The repository.
            masker: Masks what was recorded; None shows it as it is.
            verifier: Knows the allowed signers, if any are configured.
            environment: The environment for ssh-keygen.
            known: The figures of finished runs that were read before, for several sources.
            prices: Prices by model, for calls that tell no cost.
            erasers: Knows the allowed erasers, if any are configured.
        """
        self._erasers = erasers
        self._prices = prices
        self._figures = RunFigures(repo, prices)
        self._known = {} if known is None else known
        self.unread: list[str] = []
        self.repo = repo
        self._masker = masker
        self._verifier = verifier
        self._environment = environment

    @property
    def is_masked(self) -> bool:
        """Whether secrets are masked."""
        return self._masker is not None

    def mask(self, value: Any) -> Any:
        """Returns a recorded value without the secrets in it."""
        return value if self._masker is None else self._masker.mask(value)

    def without_path(self, text: str) -> str:
        """Returns a message without the path of the store, which readers need not know."""
        return text.replace(self.repo.path, "STORE")

    def history(self, name: str, limit: int) -> History:
        """Returns the newest releases of a name, checked; none if only approvals wait.

        Raises:
            ReleaseNotFoundError: Nothing was released or approved under the name.
            StorageError: The log cannot be read.
        """
        try:
            told = list(islice(history(self.repo, name), limit + 1))
        except ReleaseNotFoundError:
            self.repo.releases.head(name)  # raises if there is not even an approval
            told = []
        checks: dict[int, list[Check]] = {}
        problems = []
        for check in verify(
            self.repo,
            name,
            seqs={entry.record.seq for entry in told},
            verifier=self._verifier,
            erasers=self._erasers,
            environment=self._environment,
        ):
            if check.seq is not None and check.check != "stack":
                checks.setdefault(check.seq, []).append(check)
            elif check.result == FAILED:
                problems.append(f"{check.check}: {check.detail}")

        def evidence(record: ReleaseRecord) -> Sequence[Evidence]:
            before = self.repo.releases.iter_history(name)
            return evidence_for(record, (other for other in before if other.seq < record.seq))

        shown = list(entries(told, checks, evidence))
        return History(name, shown[:limit], len(told) <= limit, problems)

    def runs(
        self,
        *,
        agents: Sequence[str] = (),
        statuses: Sequence[RunStatus] = (),
        since: Timestamp | None = None,
        before: tuple[str, str] | None = None,
        limit: int | None = None,
    ) -> Iterator[RunRecord]:
        """Yields runs, newest first."""
        return list_runs(
            self.repo,
            agents=agents,
            statuses=statuses,
            since=since,
            before=before,
            limit=limit,
            unreadable=self._note_run,
        )

    def outcomes(
        self, *, agents: Sequence[str] = (), since: Timestamp | None = None
    ) -> Iterator[Outcome]:
        """Yields agent, status, start and duration of each run, in any order."""
        for agent in check_agents(agents):
            yield from self.repo.runs.iter_outcomes(
                agent_name=agent, since=since, unreadable=self._note_run
            )

    def tags(self, record: RunRecord) -> Iterator[tuple[str, str]]:
        """Yields the tags of a run, and its commit, masked."""
        if record.metadata.git_sha:
            yield "commit", record.metadata.git_sha
        tags = record.metadata.tags
        for name, value in tags.items() if isinstance(tags, dict) else ():
            text = value if isinstance(value, str) else encode_trusted(value)
            yield self.mask(str(name)), _brief(self.mask(text))

    def figures(self, record: RunRecord) -> Figures:
        """Returns tokens, cost and score of a run.

        Raises:
            StorageError: The run cannot be read.
        """
        key = record.run_id, self._figures.annotations(record)  # scores may come later
        found = self._known.get(key)
        if found is None:
            found = self._figures.of(record)
            if record.status.is_terminal and len(self._known) < _MAX_KNOWN:
                self._known[key] = found
        return found

    def steps(self, run_id: RunId) -> Iterator[Step]:
        """Yields the steps of a run, masked.

        Raises:
            StorageError: The run cannot be read.
        """
        return steps(self.events(run_id))

    def events(self, run_id: RunId) -> Iterator[RunEvent]:
        """Yields the events of a run, masked.

        Raises:
            StorageError: The run cannot be read.
        """
        return self._masked(self.repo.runs.iter_events(run_id))

    def _masked(self, events: Iterable[RunEvent]) -> Iterator[RunEvent]:
        for event in events:
            payload = self.mask(event.payload)
            if payload is event.payload:
                yield event
            else:
                yield RunEvent(event.kind, payload, seq=event.seq, timestamp=event.timestamp)

    def spec_difference(self, a: ReleaseRecord, b: ReleaseRecord) -> Iterator[Line]:
        """Yields the lines in which the specs of two releases differ, masked.

        Raises:
            StorageError: A spec cannot be read.
        """
        for line in lines(compare_specs(self.repo, a.spec_digest, b.spec_digest)):
            yield Line(line.kind, self.mask(line.text))

    def compare(self, a: str, b: str) -> RunComparison:
        """Compares two runs.

        Raises:
            RunNotFoundError: No run has this id.
            StorageError: A run cannot be read.
        """
        runs = self.repo.resolve_run(a), self.repo.resolve_run(b)
        return compare_runs(self.repo, *runs, prices=self._prices)

    def compare_live(self, name: str) -> RunComparison | None:
        """Compares a run of what is live with one of what it replaced; None without either."""
        try:
            return compare_releases(self.repo, name, prices=self._prices).runs
        except (ReleaseNotFoundError, RunNotFoundError):
            return None
        except StorageError as error:
            self.note(f"the releases of {name} cannot be compared", error)
            return None

    def note(self, what: str, error: StorageError) -> None:
        """Notes something that could not be read.

        Raises:
            StorageError: The whole store is away.
        """
        if error.is_store_away:
            raise error
        what = self.without_path(f"{what}: {error}")
        if what not in self.unread:
            self.unread.append(what)

    def _note_run(self, run_id: RunId, error: StorageError) -> None:
        self.note(f"run {run_id}", error)


def _brief(text: str) -> str:
    return text if len(text) <= _MAX_TAG_CHARS else f"{text[:_MAX_TAG_CHARS]}…"
