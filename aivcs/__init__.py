"""Version control for AI agents: blobs, runs and releases in one store.

    import aivcs

    repo = aivcs.Repository.discover()
    with repo.start_run("bot@current", agent_name="bot") as run:
        run.log("tool_called", {"tool_name": "search"})

Names load on first use, so `import aivcs` itself costs nothing.
"""

__version__ = "0.2.0"

TYPE_CHECKING = False
if TYPE_CHECKING:
    from aivcs.active_run import ActiveRun as ActiveRun
    from aivcs.api import Repository as Repository
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
        UnreachableError as UnreachableError,
        UnsupportedFormatError as UnsupportedFormatError,
        UsageError as UsageError,
    )
    from aivcs.model.annotation import (
        Annotation as Annotation,
        StoredAnnotation as StoredAnnotation,
    )
    from aivcs.model.digest import ContentDigest as ContentDigest
    from aivcs.model.record import Head as Head
    from aivcs.model.release import (
        Evidence as Evidence,
        ReleaseMetadata as ReleaseMetadata,
        ReleaseRecord as ReleaseRecord,
    )
    from aivcs.model.release_entries import (
        Approval as Approval,
        Block as Block,
        LogEntry as LogEntry,
        ReleaseState as ReleaseState,
        Signature as Signature,
    )
    from aivcs.model.run import (
        RunEvent as RunEvent,
        RunId as RunId,
        RunMetadata as RunMetadata,
        RunOwner as RunOwner,
        RunRecord as RunRecord,
        RunStatus as RunStatus,
        RunSummary as RunSummary,
    )
    from aivcs.model.timestamp import Timestamp as Timestamp
    from aivcs.store.contracts import (
        AnnotationStore as AnnotationStore,
        CasStore as CasStore,
        ReleaseRegistry as ReleaseRegistry,
        RunLedger as RunLedger,
    )
    from aivcs.store.settings import Settings as Settings

__all__ = [
    "ActiveRun", "AivcsError", "AmbiguousError", "Annotation", "AnnotationStore", "Approval",
    "BackendError", "Block", "BlockedError",
    "CasStore", "ConflictError", "ContentDigest", "Evidence", "Head", "IntegrityError",
    "InvalidDigestError", "InvalidNameError", "InvalidRunStateError", "InvalidSpecError",
    "LockTimeoutError", "LogEntry", "NoPreviousReleaseError", "NoRepositoryError", "NotFoundError",
    "OutcomeUnknownError", "PolicyError", "ReleaseMetadata", "ReleaseNotFoundError",
    "ReleaseRecord", "ReleaseRegistry", "ReleaseState", "Repository", "RunEvent", "RunId",
    "RunLedger", "RunMetadata", "RunNotFoundError", "RunOwner", "RunRecord", "RunStatus",
    "RunSummary", "SerializationError", "Settings", "Signature", "StorageError",
    "StoredAnnotation", "Timestamp",
    "UnreachableError", "UnsupportedFormatError", "UsageError",
]  # fmt: skip

_HOMES = {
    "aivcs.active_run": "ActiveRun",
    "aivcs.errors": "AivcsError AmbiguousError BackendError BlockedError "
    "ConflictError IntegrityError InvalidDigestError "
    "InvalidNameError InvalidRunStateError InvalidSpecError "
    "LockTimeoutError NoPreviousReleaseError NoRepositoryError "
    "NotFoundError OutcomeUnknownError PolicyError "
    "ReleaseNotFoundError RunNotFoundError SerializationError "
    "StorageError UnreachableError UnsupportedFormatError UsageError",
    "aivcs.model.annotation": "Annotation StoredAnnotation",
    "aivcs.model.digest": "ContentDigest",
    "aivcs.model.record": "Head",
    "aivcs.model.release": "Evidence ReleaseMetadata ReleaseRecord",
    "aivcs.model.run": "RunEvent RunId RunMetadata RunOwner RunRecord RunStatus RunSummary",
    "aivcs.model.timestamp": "Timestamp",
    "aivcs.model.release_entries": "Approval Block LogEntry ReleaseState Signature",
    "aivcs.api": "Repository",
    "aivcs.store.settings": "Settings",
    "aivcs.store.contracts": "AnnotationStore CasStore ReleaseRegistry RunLedger",
}

if not TYPE_CHECKING:  # a type checker has the names from above, and no others

    def __getattr__(name):
        """Loads a public name from the module it lives in (PEP 562)."""
        for home, names in _HOMES.items():
            if name in names.split():
                module = __import__(home, fromlist=[name])
                value = globals()[name] = getattr(module, name)
                return value
        raise AttributeError(f"module 'aivcs' has no attribute {name!r}")


def __dir__() -> list[str]:
    """Returns the public names, loaded or not."""
    return [*__all__, "__version__"]
