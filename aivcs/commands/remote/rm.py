"""`aivcs remote rm`: forgets a remote and the copies of its release logs."""

from __future__ import annotations

from aivcs.config.keys import render_config
from aivcs.store.pulled import PulledLogs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from aivcs.repository import Repository


def forget(repo: Repository, name: str) -> None:
    """Removes a remote from the store's configuration, with the copies of its release logs.

    Runs and blobs that were pulled stay.

    Raises:
        UsageError: The configuration is not valid.
        BackendError: It cannot be written.
    """
    repo.edit_config(lambda text: render_config(text, f"remote.{name}.url", None))
    PulledLogs(repo.store, name).drop_all()
