"""Which stores a configured remote may be.

`aivcs remote add` and `aivcs clone` are typed by the user, so they record the URL with the id of
the store. Later commands find the URL in the configuration of a store, which decides nothing about
trust: they require the record. A remote in the user's or the system's own file needs none.
"""

from __future__ import annotations

from aivcs.config import trust
from aivcs.config.layers import own_files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from aivcs.cli.remote.find import Remote
    from aivcs.cli.session.context import Context


def trusted_ids(context: Context, remote: Remote) -> set[str] | None:
    """Returns the ids that a configured remote may have; None if any.

    Call it before anything is sent there; then `trust.require_identity`.

    Raises:
        NoRepositoryError: Only the configuration of a store names the remote, and the user does not
            trust it.
    """
    key = f"remote.{remote.name}.url"
    place = next((place for place, values in context.layers if key in values), "")
    if place in {path for _, path in own_files(context.environment)}:
        return None
    return trust.require_trusted(remote.url, place, environment=context.environment)
