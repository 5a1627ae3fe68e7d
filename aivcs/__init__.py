"""Version control for AI agents: blobs, runs and releases over one directory.

    import aivcs

    repo = aivcs.Repository.discover()
    with repo.start_run("bot@current", agent_name="bot") as run:
        run.log("tool_called", {"tool_name": "search"})

Names load on first use, so `import aivcs` itself costs nothing.
"""

__version__ = "0.1.0"

TYPE_CHECKING = False
if TYPE_CHECKING:
    from aivcs.errors import (
        AivcsError as AivcsError,
    )
    from aivcs.errors import (
        AmbiguousError as AmbiguousError,
    )
    from aivcs.errors import (
        BackendError as BackendError,
    )
    from aivcs.errors import (
        BlockedError as BlockedError,
    )
    from aivcs.errors import (
        ConflictError as ConflictError,
    )
    from aivcs.errors import (
        IntegrityError as IntegrityError,
    )
    from aivcs.errors import (
        InvalidDigestError as InvalidDigestError,
    )
    from aivcs.errors import (
        InvalidNameError as InvalidNameError,
    )
    from aivcs.errors import (
        InvalidRunStateError as InvalidRunStateError,
    )
    from aivcs.errors import (
        InvalidSpecError as InvalidSpecError,
    )
    from aivcs.errors import (
        LockTimeoutError as LockTimeoutError,
    )
    from aivcs.errors import (
        NoPreviousReleaseError as NoPreviousReleaseError,
    )
    from aivcs.errors import (
        NoRepositoryError as NoRepositoryError,
    )
    from aivcs.errors import (
        NotFoundError as NotFoundError,
    )
    from aivcs.errors import (
        OutcomeUnknownError as OutcomeUnknownError,
    )
    from aivcs.errors import (
        PolicyError as PolicyError,
    )
    from aivcs.errors import (
        ReleaseNotFoundError as ReleaseNotFoundError,
    )
    from aivcs.errors import (
        RunNotFoundError as RunNotFoundError,
    )
    from aivcs.errors import (
        SerializationError as SerializationError,
    )
    from aivcs.errors import (
        StorageError as StorageError,
    )
    from aivcs.errors import (
        UnsupportedFormatError as UnsupportedFormatError,
    )
    from aivcs.errors import (
        UsageError as UsageError,
    )
    from aivcs.marks import (
        BlockMark as BlockMark,
    )
    from aivcs.marks import (
        Sealed as Sealed,
    )
    from aivcs.marks import (
        SignatureMark as SignatureMark,
    )
    from aivcs.marks import (
        Standing as Standing,
    )
    from aivcs.model import (
        ContentDigest as ContentDigest,
    )
    from aivcs.model import (
        Evidence as Evidence,
    )
    from aivcs.model import (
        Head as Head,
    )
    from aivcs.model import (
        ReleaseMetadata as ReleaseMetadata,
    )
    from aivcs.model import (
        ReleaseRecord as ReleaseRecord,
    )
    from aivcs.model import (
        RunEvent as RunEvent,
    )
    from aivcs.model import (
        RunId as RunId,
    )
    from aivcs.model import (
        RunMetadata as RunMetadata,
    )
    from aivcs.model import (
        RunOwner as RunOwner,
    )
    from aivcs.model import (
        RunRecord as RunRecord,
    )
    from aivcs.model import (
        RunStatus as RunStatus,
    )
    from aivcs.model import (
        RunSummary as RunSummary,
    )
    from aivcs.model import (
        Timestamp as Timestamp,
    )
    from aivcs.repository import Repository as Repository
    from aivcs.settings import Settings as Settings
    from aivcs.storage import (
        CasStore as CasStore,
    )
    from aivcs.storage import (
        ReleaseRegistry as ReleaseRegistry,
    )
    from aivcs.storage import (
        RunLedger as RunLedger,
    )

_HOMES = {
    "aivcs.errors": "AivcsError AmbiguousError BackendError BlockedError ConflictError "
    "IntegrityError "
    "InvalidDigestError InvalidNameError InvalidRunStateError InvalidSpecError LockTimeoutError "
    "NoPreviousReleaseError NoRepositoryError NotFoundError OutcomeUnknownError PolicyError "
    "ReleaseNotFoundError RunNotFoundError SerializationError StorageError "
    "UnsupportedFormatError UsageError",
    "aivcs.model": "ContentDigest Evidence Head ReleaseMetadata ReleaseRecord RunEvent RunId "
    "RunMetadata RunOwner RunRecord RunStatus RunSummary Timestamp",
    "aivcs.active_run": "ActiveRun",
    "aivcs.marks": "BlockMark Sealed SignatureMark Standing",
    "aivcs.repository": "Repository",
    "aivcs.settings": "Settings",
    "aivcs.storage": "CasStore ReleaseRegistry RunLedger",
}


def __getattr__(name: str) -> object:
    """Loads a public name from the module it lives in (PEP 562)."""
    for home, names in _HOMES.items():
        if name in names.split():
            module = __import__(home, fromlist=[name])
            value = globals()[name] = getattr(module, name)
            return value
    raise AttributeError(f"module 'aivcs' has no attribute {name!r}")


def __dir__() -> list[str]:
    """The public names, loaded or not."""
    return sorted(["__version__", *(name for names in _HOMES.values() for name in names.split())])
