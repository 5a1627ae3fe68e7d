"""Formats the overview of a store for `aivcs status --openmetrics`."""

from __future__ import annotations

from aivcs.formats.openmetrics import END, family

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from aivcs.commands.store.status import Status

_MICROSECONDS = 1_000_000


def metrics(found: Status) -> Iterator[str]:
    """Yields the lines of an exposition."""
    yield from family("aivcs_blobs", "gauge", "Blobs in the store.", [({}, found.blobs)])
    yield from family(
        "aivcs_runs", "gauge", "Runs in the store, by status.",
        [({"status": status.lower()}, count) for status, count in found.runs.items()],
    )  # fmt: skip
    yield from family(
        "aivcs_damaged_logs", "gauge", "Logs of runs and releases that cannot be read.",
        [({}, found.damaged)],
    )  # fmt: skip
    live = [told.record for told in found.releases]
    yield from family(
        "aivcs_release", "info", "What is live under each name.",
        [
            (
                {
                    "name": record.name, "spec": record.spec_digest,
                    "label": record.metadata.version_label or "",
                },
                1,
            )
            for record in live
        ],
    )  # fmt: skip
    yield from family(
        "aivcs_release_seq", "gauge", "The number of the entry that is live under each name.",
        [({"name": record.name}, record.seq) for record in live],
    )  # fmt: skip
    yield from family(
        "aivcs_release_live_since_timestamp_seconds", "gauge",
        "When the live release of each name was promoted, or returned to.",
        [
            ({"name": record.name}, record.created_at.microseconds() / _MICROSECONDS)
            for record in live
        ],
    )  # fmt: skip
    yield from family(
        "aivcs_release_blocked", "gauge", "Whether the live release of each name is blocked.",
        [({"name": told.record.name}, int(told.is_blocked)) for told in found.releases],
    )  # fmt: skip
    yield END
