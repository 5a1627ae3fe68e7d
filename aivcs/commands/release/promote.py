"""`aivcs release promote`: checks the operands of a promotion before policies are applied."""

from aivcs import errors
from aivcs.errors import ConflictError, UsageError
from aivcs.model.digest import ContentDigest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from aivcs.model.release import ReleaseRecord
    from aivcs.model.run import RunId
    from aivcs.repository import Repository


class Request:
    """A requested promotion.

    Attributes:
        spec: The spec as `Repository.resolve_spec` takes it.
    """

    __slots__ = ("_allow_missing", "_label", "_name", "_repo", "spec")

    def __init__(
        self,
        repo: "Repository",
        name: str,
        spec: str,
        label: "str | None",
        *,
        allow_missing_spec: bool,
    ) -> None:
        """Takes the operands as given on the command line.

        Raises:
            UsageError: The name is a NAME@TARGET.
        """
        bare, mark, _ = name.partition("@")
        if mark:
            raise UsageError(
                f"{name} is one release; promote takes NAME and SPEC: "
                f"aivcs release promote {bare} {name}"
            )
        self._repo, self._name, self._label = repo, name, label
        self._allow_missing = allow_missing_spec
        self.spec = f"{name}@{spec.removeprefix('@')}" if self._is_target(spec) else spec

    def unchanged(self, expect: "str | None" = None) -> "ReleaseRecord | None":
        """Returns the live release if the promotion would not change it, else None.

        Raises:
            ConflictError: The live release is not the expected one, or the name belongs to another
                store.
        """
        self._repo.require_store_of(self._name)
        live = self._repo.releases.current(self._name)
        if live is None or live.spec_digest != self._digest():
            return None
        if self._label not in {None, live.metadata.version_label}:
            return None
        if expect is not None:
            expected = self._repo.resolve_expectation(expect)
            if expected not in {live.seq, live.spec_digest}:
                raise ConflictError(
                    f"{self._name}: {live.spec_digest.short} (@{live.seq}) is live, "
                    f"not what --expect {expect} names"
                )
        return live

    def _is_target(self, spec: str) -> bool:
        """Whether a text is the @SEQ or label of a release of the name."""
        if spec[:1] == "@" and spec[1:].isdecimal():
            return True
        if not spec or "@" in spec:
            return False
        if spec == "current":
            return True
        return any(
            record.metadata.version_label == spec
            for record in self._repo.releases.iter_history(self._name)
        )

    def _digest(self) -> "ContentDigest | None":
        try:
            return self._repo.resolve_spec(self.spec, allow_missing=self._allow_missing)
        except (errors.StorageError, errors.InvalidSpecError):
            return None  # the promotion itself reports the error


def find_evidence(repo: "Repository", spec: str, tags: "Sequence[str]") -> "list[str]":
    """Returns the finished runs of a spec that have tags, newest first, but no untrusted ones.

    Args:
        repo: The repository.
        spec: The spec, as for `Repository.resolve_spec`.
        tags: Words as for `aivcs.commands.run.list.list_`.

    Raises:
        UsageError: A tag is malformed.
        RunNotFoundError: There is no such run.
        StorageError: A run cannot be read, so it cannot be told whether it matches.
    """
    from aivcs.commands.run.list import list_

    def refuse(_: "RunId", error: errors.StorageError) -> None:
        raise error

    found = [
        str(record.run_id)
        for record in list_(repo, specs=[spec], tags=tags, unreadable=refuse)
        if record.status.is_terminal and repo.untrusted_source(record.run_id) is None
    ]
    if not found:
        raise errors.RunNotFoundError(f"with {' '.join(tags)} (of that spec, and finished)")
    return found
