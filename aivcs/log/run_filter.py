"""The filter, the order and the summary data of lists of runs. No I/O."""

from aivcs.errors import UsageError
from aivcs.log.run import is_same_json
from aivcs.model.digest import ContentDigest
from aivcs.model.run import RunRecord, RunStatus
from aivcs.model.timestamp import Timestamp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    Outcome = tuple[str, RunStatus, Timestamp, int | None]


class RunFilter:
    """A filter of runs; a field that is None matches any run.

    Attributes:
        agent_name: Matches runs of this agent.
        spec_digest: Matches runs of this spec.
        status: Matches runs with this status.
        since: Matches runs created at this time or later.
        before: Matches runs that come behind the run with this time of creation and this id in a
            list, the newest first; the run need not exist.
        tags: Matches runs with these tags, compared as JSON values.
    """

    __slots__ = ("agent_name", "before", "since", "spec_digest", "status", "tags")

    def __init__(
        self,
        *,
        agent_name: "str | None" = None,
        spec_digest: "str | None" = None,
        status: "RunStatus | None" = None,
        since: "Timestamp | None" = None,
        before: "tuple[str, str] | None" = None,
        tags: "Mapping[str, Any] | None" = None,
    ) -> None:
        """Checks the values.

        Raises:
            InvalidDigestError: The spec is not a digest.
            SerializationError: The status or the time is not valid.
        """
        self.agent_name = agent_name
        self.spec_digest = None if spec_digest is None else ContentDigest(spec_digest)
        self.status = None if status is None else RunStatus(status)
        self.since = None if since is None else Timestamp(since)
        self.before = None if before is None else (Timestamp(before[0]), before[1])
        self.tags = dict(tags or {})

    def fits(self, record: RunRecord) -> bool:
        """Tells whether a run matches."""
        return (
            (self.agent_name is None or record.metadata.agent_name == self.agent_name)
            and (self.spec_digest is None or record.spec_digest == self.spec_digest)
            and (self.status is None or record.status is self.status)
            and (self.since is None or record.created_at >= self.since)
            and (self.before is None or age(record) < self.before)
            and (not self.tags or self._has_tags(record.metadata.tags))
        )

    def _has_tags(self, own: "Any") -> bool:
        return isinstance(own, dict) and all(
            key in own and is_same_json(value, own[key]) for key, value in self.tags.items()
        )


def outcome_of(record: RunRecord) -> "Outcome":
    """Returns the data for statistics: agent, status, time of creation, duration in ms."""
    duration = None if record.summary is None else record.summary.duration_ms
    return record.metadata.agent_name, record.status, record.created_at, duration


def require_limit(limit: "int | None") -> None:
    """Requires that a limit of runs is not negative.

    Raises:
        UsageError: The limit is negative.
    """
    if limit is not None and limit < 0:
        raise UsageError("the number of runs must be 0 or more")


def age(record: RunRecord) -> "tuple[str, str]":
    """Returns the sort key of runs: time of creation, then id."""
    return record.created_at, record.run_id
