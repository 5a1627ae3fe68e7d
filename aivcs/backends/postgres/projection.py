"""Compares the projection of the runs with their logs, for `aivcs verify`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aivcs.log.verify_run import DAMAGE
from aivcs.store.finding import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aivcs.backends.postgres.session import Session

_DIFFERENCES = """
SELECT l.name, r.log IS NULL FROM {s}.logs l LEFT JOIN {s}.runs r ON r.log = l.id
JOIN LATERAL (SELECT data, mark, open FROM {s}.chunks WHERE log = l.id
    ORDER BY after DESC LIMIT 1) c ON true
JOIN {s}.chunks f ON f.log = l.id AND f.after = 0
WHERE l.name LIKE 'run/%%' AND l.listed AND (r.log IS NULL
    OR r.first <> substr(f.data, 1, position('\\x0a'::bytea IN f.data))
    OR r.final IS DISTINCT FROM CASE WHEN NOT c.open
        THEN substr(c.data, length(c.data) - c.mark + 1) END
    OR r.run_id <> substr(l.name, 5)
    OR r.agent <> convert_from(r.first, 'UTF8')::json -> 'metadata' ->> 'agent_name'
    OR r.spec <> convert_from(r.first, 'UTF8')::json ->> 'spec_digest'
    OR r.created_at <> convert_from(r.first, 'UTF8')::json ->> 'created_at'
    OR r.status <> coalesce(convert_from(r.final, 'UTF8')::json ->> 'status', 'RUNNING'))
ORDER BY l.name"""


def differences(session: Session) -> Iterator[Finding]:
    """Yields a finding for each run whose row in `runs` is not what its log says."""
    for name, is_missing in session.read(_DIFFERENCES):
        problem = (
            "its row in the table runs is missing"
            if is_missing
            else ("its row in the table runs is not what its log says")
        )
        yield Finding(
            DAMAGE, name, None, problem, "lists show it wrongly; find out who changed the table"
        )
