"""The errors that a command which goes well has no use for; `aivcs.errors` is their family.

They load when the first of them is named: making a class costs a command that is called in a loop
more than a read of the store does. Take them from `aivcs.errors`, like all others.
"""

from aivcs.errors import AivcsError, ConflictError, StorageError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Protocol

    class Verdict(Protocol):
        """What an error tells of a rule's verdict (`aivcs.policy.rules.Verdict`)."""

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
    """A text cannot name a spec."""

    def __init__(self, text: str) -> None:
        self.text = text
        super().__init__(
            f"{text[:80]!r} is no spec: give a digest (4 characters or more), or NAME@current, "
            "NAME@SEQ or NAME@LABEL"
        )


class NoRepositoryError(AivcsError):
    """There is no store where one was looked for."""


class AmbiguousError(AivcsError):
    """A prefix fits several things.

    Attributes:
        prefix: What was given.
        candidates: Some of what it fits, in order.
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
    """The run is not in the state that the change needs; a finished run never changes again."""

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
    """Nothing was ever released under this name, or not what was asked for.

    Attributes:
        name: The name.
        wanted: The label, digest or seq that was asked for, if any was.
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
    """There is no release below the live one to return to."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(
            f"{name} has no previous release to roll back to; "
            f"name a target with --to (see: aivcs release history {name})"
        )


class InvalidDigestError(StorageError):
    """A text is not a SHA-256 in hexadecimal."""

    def __init__(self, text: str) -> None:
        self.text = text
        super().__init__(f"{text[:80]!r} is not a digest: 64 hexadecimal characters are needed")


class BlockedError(ConflictError):
    """What was to be live again, or at last, is marked as bad under this name.

    Attributes:
        name: The agent's name.
        spec_digest: What is blocked.
        by: Who blocked it.
        created_at: When.
        reason: Why.
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
            f"{name}: {spec_digest} was blocked by {by} at {created_at}: {reason}; nothing was "
            f"changed. {instead}If it is good after all: "
            f"aivcs release unblock {name} {spec_digest} --reason TEXT"
        )


class PolicyError(ConflictError):
    """What was to be live does not meet the policy that holds for the name.

    Attributes:
        name: The agent's name.
        verdicts: What each rule said, as `aivcs.policy.rules.Verdict`.
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


class LockTimeoutError(StorageError):
    """Another process held the lock for longer than the time limit."""

    def __init__(self, what: str, seconds: float) -> None:
        self.what = what
        self.seconds = seconds
        super().__init__(
            f"another process has held {what} for {seconds:g} s; nothing was done. "
            "Try again, or wait longer with --lock-timeout"
        )


class UnsupportedFormatError(StorageError):
    """The store, or an entry in it, was written by a newer aivcs."""
