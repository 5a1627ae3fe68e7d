"""The releases of a name: each with its state, its grounds, and what was checked. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from aivcs.commands.release.audit import Check
    from aivcs.commands.release.history import HistoryEntry
    from aivcs.model.release import Evidence, ReleaseRecord

OK, FAILED, UNPROVEN = "ok", "failed", "not proven"
"""The results of checks, as `aivcs.commands.release.audit` gives them."""
CURRENT, LIVE_AGAIN = "current", "live again"
_FORM = frozenset({"chain", "stack", "block", "evidence", "policy", "forced", "signature"})
"""Checks that are not the rule of a policy."""


class ReleaseEntry(NamedTuple):
    """A release in a history.

    Attributes:
        record: The release.
        state: Its state, as printed.
        is_live: Whether it is live.
        checks: What was checked of it.
        before: The release that it replaced; None for a first one.
        evidence: The runs that support it; of a rollback, those of the spec's newest promotion.
    """

    record: ReleaseRecord
    state: str
    is_live: bool
    checks: Sequence[Check]
    before: ReleaseRecord | None
    evidence: Sequence[Evidence] = ()

    @property
    def shown_state(self) -> str:
        """The state for people, who would take two entries that are `current` for a mistake."""
        return shown_state(self.state, is_live=self.is_live)

    @property
    def verdicts(self) -> list[Check]:
        """The checks that are rules of the policy that was applied."""
        return [check for check in self.checks if check.check not in _FORM]

    @property
    def signatures(self) -> list[Check]:
        """The checks of its signatures."""
        return [check for check in self.checks if check.check == "signature"]

    @property
    def is_signed(self) -> bool:
        """Whether an allowed signer signed it."""
        return any(check.result == OK for check in self.signatures)

    @property
    def result(self) -> str:
        """The worst result of its checks; a check that no rule demanded does not count.

        Without a policy there is nothing to prove, and a signature is told apart.
        """
        optional = {"signature"} if self.record.policy else {"signature", "policy"}
        results = {
            check.result
            for check in self.checks
            if check.check not in optional or check.result != UNPROVEN
        }
        return next((result for result in (FAILED, UNPROVEN) if result in results), OK)


def shown_state(state: str, *, is_live: bool) -> str:
    """Returns the state of an entry; of one whose spec a later entry made live, `live again`."""
    return LIVE_AGAIN if state == CURRENT and not is_live else state


def entries(
    told: Iterable[HistoryEntry],
    checks: Mapping[int, Sequence[Check]],
    evidence: Callable[[ReleaseRecord], Sequence[Evidence]],
) -> Iterator[ReleaseEntry]:
    """Yields the releases of a name, newest first, as they are read.

    Args:
        told: The entries of its history, newest first.
        checks: What was checked, by the seq of the entry.
        evidence: Returns the runs that support a release.
    """
    newer: HistoryEntry | None = None

    def entry(told: HistoryEntry, before: ReleaseRecord | None) -> ReleaseEntry:
        record = told.record
        found = checks.get(record.seq, ())
        return ReleaseEntry(record, told.shown_state, told.is_live, found, before, evidence(record))

    for older in told:
        if newer is not None:
            yield entry(newer, older.record)
        newer = older
    if newer is not None:
        yield entry(newer, None)
