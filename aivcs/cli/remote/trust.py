"""Where remotes meet trust: the only calls of `aivcs.config.trust` for remotes.

`aivcs remote add` and `aivcs clone` are typed by the hand that trusts, so they record the URL with
the id of the store. Later commands find the URL in the configuration of a store, which decides
nothing about trust: they require the record.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aivcs.cli.session.context import Context
    from aivcs.repository import Repository


def record_trust(context: Context, url: str, store_id: str) -> None:
    """Records that the user trusts a store.

    To be: `aivcs.config.trust.add(url, store_id, environment=context.environment)`.
    """


def require_trust(context: Context, url: str, named_by: str, repo: Repository) -> None:
    """Requires that a store that a store's configuration names is trusted, and is the one it was.

    To be: `aivcs.config.trust.require_trusted` before it is opened, then `require_identity`.
    """
