"""The homes of runs: a run goes on where it was started, and its copies wait.

A copy of a run that has not ended has a document `replicas/<run id>` with the name of its home. It
is written before the first line of the copy and removed after its last, so that there is no moment
at which somebody could append to a copy.
"""

from __future__ import annotations

from aivcs.codec.url import shown
from aivcs.store.identity import stored_id
from aivcs.store.runs import REPLICAS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from aivcs.repository import Repository


def name_store(repo: Repository) -> str:
    """Returns a store's name for messages in other stores: its URL and the start of its id."""
    store_id = stored_id(repo.store.documents)  # a bundle may have none
    return shown(repo.path) if store_id is None else f"{shown(repo.path)} (store {store_id[:8]})"


def mark_copy(source: Repository, target: Repository, run_id: str) -> None:
    """Marks a run, of which the target has no line yet, as a copy; durable on return."""
    home = source.home_of(run_id) or name_store(source)
    target.store.documents.create(f"{REPLICAS}{run_id}", f"{home}\n".encode())


def unmark_copy(target: Repository, run_id: str) -> None:
    """Makes a copy a run of its own: it has ended, or is to be ended here."""
    target.store.documents.drop(f"{REPLICAS}{run_id}")
