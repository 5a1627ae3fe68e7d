"""Every error that aivcs raises: one hierarchy, under `AivcsError`.

Each error has the details as attributes and a message that names the object and the way out. Exit
codes are assigned in `aivcs.cli.exit_codes` alone. Backends raise only `StorageError` and its
subclasses.

The rarer errors are in `aivcs.rare_errors`, which loads when one of them is first used here. So
modules that every command loads write `errors.LockTimeoutError` where they raise it. An error that
is raised or caught in the middle of a change is not rare: loading a module may fail then.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    # ruff: noqa: PLC0414 a name is exported only if it is repeated
    from aivcs.rare_errors import (
        AmbiguousError as AmbiguousError,
        BlockedError as BlockedError,
        ErasedError as ErasedError,
        InvalidDigestError as InvalidDigestError,
        InvalidRunStateError as InvalidRunStateError,
        InvalidSpecError as InvalidSpecError,
        LockTimeoutError as LockTimeoutError,
        NoPreviousReleaseError as NoPreviousReleaseError,
        NoRepositoryError as NoRepositoryError,
        PolicyError as PolicyError,
        ReleaseNotFoundError as ReleaseNotFoundError,
        RunNotFoundError as RunNotFoundError,
        UnreachableError as UnreachableError,
        UnsupportedFormatError as UnsupportedFormatError,
    )

# Exported too, though loaded later.
__all__ = [
    "AivcsError", "AmbiguousError", "BackendError", "BlockedError", "ConflictError",
    "ErasedError", "IntegrityError",
    "InvalidDigestError", "InvalidNameError", "InvalidRunStateError",
    "InvalidSpecError", "LockTimeoutError", "NoPreviousReleaseError", "NoRepositoryError",
    "NotFoundError", "OutcomeUnknownError", "PolicyError", "ReleaseNotFoundError",
    "RunNotFoundError", "SerializationError", "StorageError", "UnreachableError",
    "UnsupportedFormatError", "UsageError",
]  # fmt: skip


class AivcsError(Exception):
    """Base of every error that aivcs raises on purpose; it can be pickled."""

    def __reduce__(self) -> "tuple[object, ...]":
        """Pickles the attributes rather than the arguments of the constructor."""
        return _rebuild, (type(self), self.args, self.__dict__)


def _rebuild(
    kind: "type[AivcsError]", args: "tuple[object, ...]", state: "dict[str, object]"
) -> "AivcsError":
    error = kind.__new__(kind)
    error.args = args
    error.__dict__.update(state)
    return error


class UsageError(AivcsError):
    """The request is invalid as it was written."""


class StorageError(AivcsError):
    """Base of every error that a backend raises.

    Attributes:
        is_store_away: Whether the whole store cannot be reached. Code that goes on after an error
            about one object must not go on then: it would take the rest for damaged.
    """

    is_store_away = False


class NotFoundError(StorageError):
    """No blob has this digest."""

    def __init__(self, digest: str, message: str = "") -> None:
        self.digest = digest
        super().__init__(
            message or f"no blob {digest} in this store; put it with: aivcs blob put FILE"
        )


class IntegrityError(StorageError):
    """Stored bytes are damaged.

    Attributes:
        expected: The hash that the bytes should have (a blob's name, a line's `hash`), or None.
        actual: The hash of the bytes, or None.
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
        """Returns an error without hashes; without `where` it is about a line, named later."""
        return cls(None, None, where, message)


class BackendError(StorageError):
    """The backend failed (I/O, permission) and changed nothing.

    Attributes:
        is_refusal: Whether this account may not do it, or nobody may change the store.
    """

    is_refusal = False


class SerializationError(StorageError):
    """A value cannot be stored: it is not JSON, too large, too deep, or not valid text."""


class InvalidNameError(SerializationError):
    """A name, label, kind or id breaks its rules."""


class ConflictError(StorageError):
    """Another change came first, or the change contradicts the stored state."""


class OutcomeUnknownError(StorageError):
    """The system failed to confirm the change, so it may or may not be durable."""


def __getattr__(name: str) -> object:
    """Loads the rarer errors (PEP 562).

    Raises:
        BackendError: It cannot be loaded, for example for want of a descriptor.
    """
    if name.endswith("Error"):  # the interpreter asks each module for other names, too
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
    """Returns the names of all errors, for help and completion."""
    return sorted({*globals(), *__all__})
