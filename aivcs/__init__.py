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
        AmbiguousError as AmbiguousError,
        BackendError as BackendError,
        BlockedError as BlockedError,
        ConflictError as ConflictError,
        IntegrityError as IntegrityError,
        InvalidDigestError as InvalidDigestError,
        InvalidNameError as InvalidNameError,
        InvalidRunStateError as InvalidRunStateError,
        InvalidSpecError as InvalidSpecError,
        LockTimeoutError as LockTimeoutError,
        NoPreviousReleaseError as NoPreviousReleaseError,
        NoRepositoryError as NoRepositoryError,
        NotFoundError as NotFoundError,
        OutcomeUnknownError as OutcomeUnknownError,
        PolicyError as PolicyError,
        ReleaseNotFoundError as ReleaseNotFoundError,
        RunNotFoundError as RunNotFoundError,
        SerializationError as SerializationError,
        StorageError as StorageError,
        UnsupportedFormatError as UnsupportedFormatError,
        UsageError as UsageError,
    )
    from aivcs.marks import (
        BlockMark as BlockMark,
        Sealed as Sealed,
        SignatureMark as SignatureMark,
        Standing as Standing,
    )
    from aivcs.model import (
        ContentDigest as ContentDigest,
        Evidence as Evidence,
        Head as Head,
        ReleaseMetadata as ReleaseMetadata,
        ReleaseRecord as ReleaseRecord,
        RunEvent as RunEvent,
        RunId as RunId,
        RunMetadata as RunMetadata,
        RunOwner as RunOwner,
        RunRecord as RunRecord,
        RunStatus as RunStatus,
        RunSummary as RunSummary,
        Timestamp as Timestamp,
    )
    from aivcs.repository import Repository as Repository
    from aivcs.store.contracts import (
        CasStore as CasStore,
        ReleaseRegistry as ReleaseRegistry,
        RunLedger as RunLedger,
    )
    from aivcs.store.settings import Settings as Settings

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
    "aivcs.store.settings": "Settings",
    "aivcs.store.contracts": "CasStore ReleaseRegistry RunLedger",
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
