"""The errors that a successful command never needs; import them from `aivcs.errors`.

The module loads when one of them is first used: creating these classes would cost a command more
time than a read of the store.
"""

from aivcs.errors import AivcsError, BackendError, ConflictError, StorageError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Protocol

    class Verdict(Protocol):
        """The fields of `aivcs.policy.proposal.Verdict` that an error shows."""

        @property
        def rule(self) -> str: ...
        @property
        def ok(self) -> bool | None: ...
        @property
        def found(self) -> str: ...
        @property
        def needed(self) -> str: ...
        @property
        def remedy(self) -> str: ...


class InvalidSpecError(UsageError):
    """The text does not name a spec."""

    def __init__(self, text: str) -> None:
        self.text = text
        super().__init__(
            f"{text[:80]!r} is not a spec: give a digest (4 characters or more), NAME@current, "
            "NAME@SEQ or NAME@LABEL"
        )


class NoRepositoryError(AivcsError):
    """No store was found."""


class AmbiguousError(AivcsError):
    """A prefix fits several digests, runs or pins.

    Attributes:
        prefix: The prefix.
        candidates: The first few that it fits, in order.
    """

    def __init__(self, what: str, prefix: str, candidates: "list[str]") -> None:
        self.prefix = prefix
        self.candidates = candidates
        super().__init__(
            f"{what} {prefix} is ambiguous: it fits {', '.join(candidates)}; give more characters"
        )


class RunNotFoundError(StorageError):
    """No run has this id."""

    def __init__(self, run_id: str) -> None:
        self.run_id = run_id
        super().__init__(f"no run {run_id!s} in this store; aivcs run list shows the runs")


class InvalidRunStateError(StorageError):
    """The run's status does not allow the change; a finished run never changes again."""

    def __init__(self, run_id: str, status: str, expected: str, message: str = "") -> None:
        self.run_id = run_id
        self.status = status
        self.expected = expected
        super().__init__(
            message
            or f"run {run_id} is {status}, not {expected}: a finished run is sealed; "
            "start another with: aivcs run start"
        )


class ReleaseNotFoundError(StorageError):
    """The name has no releases, or not the one asked for.

    Attributes:
        name: The name.
        wanted: The label, digest or seq asked for, or None.
    """

    def __init__(self, name: str, message: str = "", wanted: "int | str | None" = None) -> None:
        self.name = name
        self.wanted = wanted
        super().__init__(
            message
            or f"nothing was released as {name}; aivcs release list shows the names, "
            f"aivcs release promote {name} SPEC makes a first release"
        )


class NoPreviousReleaseError(StorageError):
    """The name has no release below the live one."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(
            f"{name} has no previous release to roll back to; "
            f"name a target with --to (see: aivcs release history {name})"
        )


class InvalidDigestError(StorageError):
    """The text is not a SHA-256 in hexadecimal."""

    def __init__(self, text: str) -> None:
        self.text = text
        super().__init__(
            f"{text[:80]!r} is not a digest: 64 hexadecimal characters are needed, "
            "or as an operand the first 4 or more of them"
        )


class BlockedError(ConflictError):
    """The spec is blocked under this name and cannot become live.

    Attributes:
        name: The agent's name.
        spec_digest: The blocked spec.
        by: The actor who blocked it.
        created_at: The time of the block.
        reason: The reason given.
    """

    def __init__(
        self,
        name: str,
        spec_digest: str,
        *,
        by: str,
        created_at: str,
        reason: str,
        instead: str = "",
    ) -> None:
        self.name = name
        self.spec_digest = spec_digest
        self.by = by
        self.created_at = created_at
        self.reason = reason
        super().__init__(
            f"{name}: {spec_digest[:12]} was blocked by {by} at {created_at}: {reason}; nothing "
            f"was changed. {instead}If it is good after all: "
            f"aivcs release unblock {name} {spec_digest[:12]} --reason TEXT"
        )


class PolicyError(ConflictError):
    """The release does not meet the policy for the name.

    Attributes:
        name: The agent's name.
        verdicts: The `aivcs.policy.proposal.Verdict` of each rule.
    """

    def __init__(self, name: str, verdicts: "Sequence[Verdict]") -> None:
        self.name = name
        self.verdicts = list(verdicts)
        failed = "; ".join(
            f"{v.rule}: found {v.found}, needed {v.needed} ({v.remedy})"
            for v in verdicts
            if not v.ok
        )
        super().__init__(f"{name}: refused by policy, nothing was changed. {failed}")


class ErasedError(ConflictError):
    """The thing was erased on purpose, and does not come back."""


class LockTimeoutError(StorageError):
    """Another process held a lock for longer than the time limit.

    Attributes:
        what: The lock.
        seconds: The time limit.
    """

    def __init__(self, what: str, seconds: float) -> None:
        self.what = what
        self.seconds = seconds
        super().__init__(
            f"another process has held {what} for {seconds:g} s; nothing was done. "
            "Try again, or wait longer with --lock-timeout"
        )


class UnreachableError(BackendError):
    """The store cannot be reached, or it is throttling; nothing was done, and a retry may succeed.

    Attributes:
        store: The store, in words for people: a URL without a password.
        reason: Why it cannot be reached.
    """

    is_store_away = True

    def __init__(self, store: str, reason: str) -> None:
        self.store = store
        self.reason = reason
        super().__init__(f"cannot reach {store}: {reason}; nothing was done. Try again")


class UnsupportedFormatError(StorageError):
    """The store, or an entry in it, was written by a newer aivcs."""
