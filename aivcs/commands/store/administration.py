"""`aivcs store grants, check, upgrade`: what somebody does who administers a shared store."""

from __future__ import annotations

from aivcs.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from aivcs.repository import Repository
    from aivcs.store.driver import Administered


def grants(repo: Repository, role: str, names: str | None = None) -> str | None:
    """Returns the statements or the policy that give a role its rights.

    None means that the store knows no roles.

    Args:
        repo: The repository.
        role: One of `aivcs.store.roles.ROLES`.
        names: A pattern of release names, for the role promoter.

    Raises:
        UsageError: The role takes no names, or the pattern is not valid.
    """
    if names is not None:
        from aivcs.policy.select import check_pattern

        if role != "promoter":
            raise UsageError(f"--name goes with --role promoter, not with {role}")
        check_pattern(names, "--name")
    store = _administered(repo)
    return None if store is None else store.grants(role, names)


def check(repo: Repository) -> Iterator[str]:
    """Yields one sentence for each fault in the setup of a store, and for each doubt about it."""
    store = _administered(repo)
    if store is not None:
        yield from store.check()
    yield from repo.store.doubts()


def upgrade(repo: Repository) -> Iterator[str] | None:
    """Returns the steps that bring a store to this version's schema; each is done when yielded.

    None means that the store has no schema of its own.
    """
    store = _administered(repo)
    return None if store is None else store.upgrade()


def _administered(repo: Repository) -> Administered | None:
    store = repo.store
    return store if hasattr(store, "grants") else None  # type: ignore[return-value]
