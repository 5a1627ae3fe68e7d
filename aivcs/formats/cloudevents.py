"""A release as a CloudEvent, version 1.0, in the JSON format. No I/O.

The id is the hash of the entry: a receiver can tell that it got an event twice, as after a crash.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aivcs.model.release import ReleaseRecord

VERSION = "1.0"
PREFIX = "aivcs.release."
"""The prefix of the type of an event; the action follows: `promote` or `rollback`."""


def release_event(record: ReleaseRecord, link: str, source: str) -> dict[str, Any]:
    """Returns the event that a release went live.

    Args:
        record: The release.
        link: The hash of its entry.
        source: The URL of the store.
    """
    return {
        "specversion": VERSION,
        "id": link,
        "source": source,
        "type": PREFIX + record.action,
        "subject": record.name,
        "time": record.created_at,
        "datacontenttype": "application/json",
        "data": {**record.to_json(), "hash": link},
    }
