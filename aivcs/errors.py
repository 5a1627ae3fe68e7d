"""Every error that aivcs raises: one hierarchy, under `AivcsError`.

Each class carries what went wrong as attributes and a message that names the thing and the way out.
What an error means for a process (its exit code) is decided in `aivcs.cli.exit_codes` alone.
Backends raise `StorageError` and its subclasses, and nothing else.

The rarer ones are in `aivcs.rare_errors`, and load when they are first asked for here. So modules
that every command loads name them as `errors.LockTimeoutError` where they raise them. One that is
raised or caught while something is half done is not rare: then nothing should have to be loaded.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    # ruff: noqa: PLC0414 a name is exported only if it is repeated
    from aivcs.rare_errors import (
        AmbiguousError as AmbiguousError,
        BlockedError as BlockedError,
        InvalidDigestError as InvalidDigestError,
        InvalidRunStateError as InvalidRunStateError,
        InvalidSpecError as InvalidSpecError,
        LockTimeoutError as LockTimeoutError,
        NoPreviousReleaseError as NoPreviousReleaseError,
        NoRepositoryError as NoRepositoryError,
        PolicyError as PolicyError,
        ReleaseNotFoundError as ReleaseNotFoundError,
        RunNotFoundError as RunNotFoundError,
        UnsupportedFormatError as UnsupportedFormatError,
    )

# What is loaded later is exported, too.
__all__ = [
    "AivcsError", "AmbiguousError", "BackendError", "BlockedError", "ConflictError",
    "IntegrityError", "InvalidDigestError", "InvalidNameError", "InvalidRunStateError",
    "InvalidSpecError", "LockTimeoutError", "NoPreviousReleaseError", "NoRepositoryError",
    "NotFoundError", "OutcomeUnknownError", "PolicyError", "ReleaseNotFoundError",
    "RunNotFoundError", "SerializationError", "StorageError", "UnsupportedFormatError",
    "UsageError",
]  # fmt: skip


class AivcsError(Exception):
    """Base of every error that aivcs raises on purpose; survives being sent to another process."""

    def __reduce__(self) -> "tuple[object, ...]":
        """Rebuilds the error from what it holds, not from what it was made of."""
        return _rebuild, (type(self), self.args, self.__dict__)


def _rebuild(
    kind: "type[AivcsError]", args: "tuple[object, ...]", state: "dict[str, object]"
) -> "AivcsError":
    error = kind.__new__(kind)
    error.args = args
    error.__dict__.update(state)
    return error


class UsageError(AivcsError):
    """The request cannot be carried out as it was written."""


class StorageError(AivcsError):
    """Base of everything a backend raises."""


class NotFoundError(StorageError):
    """No blob has this digest."""

    def __init__(self, digest: str, message: str = "") -> None:
        self.digest = digest
        super().__init__(
            message or f"no blob {digest} in this store; put it with: aivcs blob put FILE"
        )


class IntegrityError(StorageError):
    """Stored bytes are not what was stored.

    Attributes:
        expected: The hash that stands for the bytes (their name, or what their line says), or None
            where there is none.
        actual: The hash that the bytes have.
        where: The object, or file and line.
    """

    def __init__(
        self, expected: "str | None", actual: "str | None", where: str, message: str = ""
    ) -> None:
        self.expected = expected
        self.actual = actual
        self.where = where
        super().__init__(
            message
            or f"{where} is damaged: its hash is {actual}, not {expected}; see: aivcs verify"
        )

    @classmethod
    def of(cls, message: str, where: str = "") -> "IntegrityError":
        """Returns an error without hashes to compare; without a place, it is about a line."""
        return cls(None, None, where, message)


class BackendError(StorageError):
    """The backend could not do it (I/O, permission); nothing was changed."""


class SerializationError(StorageError):
    """A value cannot be stored: it is not JSON, too large, too deep, or not a legal text."""


class InvalidNameError(SerializationError):
    """A name, label, kind or id breaks the rules for such texts."""


class ConflictError(StorageError):
    """The change was overtaken by another, or contradicts what is stored."""


class OutcomeUnknownError(StorageError):
    """Whether the change is durable cannot be known: the system failed to confirm it."""


def __getattr__(name: str) -> object:
    """Loads the rarer errors (PEP 562).

    Raises:
        BackendError: It cannot be loaded: there is no descriptor left, say.
    """
    if name.endswith("Error"):  # and not for what the interpreter asks every module for
        try:
            rare = __import__("aivcs.rare_errors", fromlist=[name])
        except OSError as error:  # stands for the error that was to be raised
            raise BackendError(f"cannot say what failed: {error.strerror or error}") from error
        value = getattr(rare, name, None)
        if value is not None:
            globals()[name] = value
            return value
    raise AttributeError(f"module 'aivcs.errors' has no attribute {name!r}")


def __dir__() -> "list[str]":
    """All errors, for help and completion."""
    return sorted({*globals(), *__all__})
