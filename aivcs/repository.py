"""A repository: the three stores of one place, and the short names people use for what is in them.

    repo = Repository.init("project")        # or open(path), or discover(folder)
    digest = repo.blobs.put(b"You are a careful engineer.")
    with repo.start_run(digest, agent_name="bot") as run:
        run.log("tool_called", {"tool_name": "search"})
    repo.releases.promote("bot", digest, ReleaseMetadata("alice"))

Knows no file and no backend's inside: a store is opened by the scheme of its name, and used through
the contracts alone.
"""

from aivcs.backends.fs import FileBackend
from aivcs.errors import (
    AmbiguousError,
    InvalidDigestError,
    InvalidNameError,
    NotFoundError,
    ReleaseNotFoundError,
    RunNotFoundError,
    UsageError,
)
from aivcs.model import ContentDigest, RunId, RunMetadata
from aivcs.settings import Settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from aivcs.active_run import ActiveRun
    from aivcs.model import RunOwner
    from aivcs.storage import CasStore, ReleaseRegistry, RunLedger

MIN_PREFIX = 4
"""Characters of a digest or run id that may stand for all of it, at least."""
_SHOWN = 5
"""Candidates named when a prefix is ambiguous."""


class Repository:
    """The stores of one place.

    Attributes:
        backend: What keeps them; its own methods are for maintenance, not for use.
        blobs: The `CasStore`.
        runs: The `RunLedger`.
        releases: The `ReleaseRegistry`.
    """

    __slots__ = ("backend",)

    def __init__(self, backend: FileBackend) -> None:
        """Takes an open backend; use `init`, `open` or `discover`."""
        self.backend = backend

    @classmethod
    def init(
        cls, folder: str, *, shared: bool = False, settings: "Settings | None" = None
    ) -> "Repository":
        """Makes a store in a folder, `FOLDER/.aivcs`; doing it again is harmless.

        Args:
            folder: The folder the store belongs to; made if it is not there.
            shared: Whether the folder's group may write.
            settings: How the store behaves while it is open.

        Raises:
            BackendError: It cannot be made.
        """
        from aivcs.backends.fs.backend import STORE

        path = f"{str(folder).rstrip('/')}/{STORE}"
        return cls(FileBackend.init(path, shared=shared, settings=settings))

    @classmethod
    def open(cls, store: str, settings: "Settings | None" = None) -> "Repository":
        """Opens a store by its path, the folder that holds `format`.

        Args:
            store: A path; an URL of a scheme names a kind of store that this version has not.
            settings: How the store behaves; the store's own configuration applies if None.

        Raises:
            NoRepositoryError: There is no store.
            UnsupportedFormatError: It was made by a later version.
            UsageError: The scheme is unknown, or the store's configuration is invalid.
        """
        store = str(store)
        scheme, mark, _ = store.partition("://")
        if mark:
            if scheme != "file":
                raise UsageError(
                    f"{store}: this version keeps stores in folders only, not at {scheme}://; "
                    "give the path of a folder"
                )
            store = store[len("file://") :]
        backend = FileBackend.open(store, settings)
        if settings is None:
            backend.settings = stored_settings(backend)
        return cls(backend)

    @classmethod
    def discover(cls, start: str = ".", settings: "Settings | None" = None) -> "Repository":
        """Opens the store that a folder belongs to: its own `.aivcs`, or the nearest above it.

        Raises:
            NoRepositoryError: There is none.
        """
        return cls.open(FileBackend.discover(str(start)), settings)

    @property
    def path(self) -> str:
        """Where the store is."""
        return self.backend.path

    @property
    def blobs(self) -> "CasStore":
        """The blobs."""
        return self.backend.blobs

    @property
    def runs(self) -> "RunLedger":
        """The runs."""
        return self.backend.runs

    @property
    def releases(self) -> "ReleaseRegistry":
        """The releases."""
        return self.backend.releases

    def start_run(
        self,
        spec: str,
        *,
        agent_name: str,
        git_sha: "str | None" = None,
        tags: "Any" = None,
        owner: "RunOwner | None" = None,
    ) -> "ActiveRun":
        """Starts a run; as a context manager, the run ends with the block.

        Args:
            spec: What runs, as for `resolve_spec`.
            agent_name: Which agent runs.
            git_sha: The commit of its code.
            tags: Any JSON value.
            owner: The process it belongs to; `aivcs.processes.owner_of` describes one.

        Raises:
            NotFoundError: The spec is not in the store.
        """
        from aivcs.active_run import ActiveRun

        metadata = RunMetadata(agent_name, git_sha=git_sha, tags=tags)
        run_id = self.runs.create_run(self.resolve_spec(spec), metadata, owner=owner)
        return ActiveRun(self.runs, run_id)

    def resolve_digest(self, text: str) -> ContentDigest:
        """Returns the digest that a text names: all of it, or a unique prefix.

        A whole digest is returned as it is, whether it is stored or not.

        Raises:
            UsageError: The text is empty.
            InvalidDigestError: It is no prefix of a digest.
            NotFoundError: No blob begins with it.
            AmbiguousError: Several do.
        """
        if len(text) == 64:
            return ContentDigest(text)
        if not text:
            raise UsageError("DIGEST is empty; is a variable unset?")
        lowered = text.lower()
        if not MIN_PREFIX <= len(text) < 64 or lowered.strip("0123456789abcdef"):
            raise InvalidDigestError(text)
        return ContentDigest(
            _only("digest", text, self.blobs.list_digests(lowered))
            or _absent(NotFoundError(text, f"no blob begins with {text}; see: aivcs blob ls"))
        )

    def resolve_run(self, text: str) -> RunId:
        """Returns the run id that a text names: all of it, or a unique prefix.

        Raises:
            UsageError: The text is empty or too short.
            RunNotFoundError: No run begins with it.
            AmbiguousError: Several do.
        """
        if len(text) == 36:  # a UUID; whether there is such a run, the ledger will say
            return _run_id(text)
        if not text:
            raise UsageError("RUN is empty; is a variable unset?")
        if len(text) < MIN_PREFIX:
            raise UsageError(f"RUN {text!r} is too short: give at least {MIN_PREFIX} characters")
        run_id = _run_id(text)
        return RunId(
            _only("run", text, self.runs.list_run_ids(run_id)) or _absent(RunNotFoundError(text))
        )

    def resolve_spec(self, text: str, *, allow_missing: bool = False) -> ContentDigest:
        """Returns the digest of a spec: a digest, or NAME@current, NAME@SEQ or NAME@LABEL.

        Args:
            text: What names it.
            allow_missing: Whether it may be a whole digest that is not in the store.

        Raises:
            UsageError: The text is empty.
            InvalidDigestError: It is none of these.
            NotFoundError: It is not in the store.
            ReleaseNotFoundError: There is no such release.
            AmbiguousError: A prefix fits several blobs.
        """
        name, mark, selector = text.partition("@")
        if not text:
            raise UsageError("SPEC is empty; is a variable unset?")
        if mark:
            digest = self._released(name, selector)
        else:
            try:
                digest = self.resolve_digest(text)
            except InvalidDigestError as error:
                raise UsageError(
                    f"{text[:80]!r} is no spec: give a digest, or NAME@current, NAME@SEQ or "
                    "NAME@LABEL"
                ) from error
        if not allow_missing and not self.blobs.contains(digest):
            raise NotFoundError(
                digest,
                f"spec {digest} is not in this store; put it first (aivcs blob put FILE), "
                "or say --allow-missing-spec",
            )
        return digest

    def resolve_target(self, name: str, text: str) -> "ContentDigest | int | str":
        """Returns what a rollback target names: @SEQ, a digest or its prefix, else a label.

        Raises:
            UsageError: The text is empty.
            AmbiguousError: A prefix fits several releases of the name.
        """
        if not text:
            raise UsageError("the target is empty; is a variable unset?")
        if text[0] == "@" and text[1:].isdecimal() and text.isascii():
            return int(text[1:])
        lowered = text.lower()
        if not MIN_PREFIX <= len(text) <= 64 or lowered.strip("0123456789abcdef"):
            return text
        seen = sorted({record.spec_digest for record in self.releases.iter_history(name)})
        found = _only("digest", text, (digest for digest in seen if digest.startswith(lowered)))
        return ContentDigest(
            found
            or _absent(
                ReleaseNotFoundError(
                    name,
                    f"{name} has no release {text}; see: aivcs release history {name}, "
                    f"or make it one: aivcs release promote {name} {text}",
                )
            )
        )

    def resolve_expectation(self, text: str) -> "ContentDigest | int | str":
        """Returns what `--expect` names: @SEQ, `none`, or a digest or its prefix.

        Raises:
            UsageError: The text is empty, or none of these.
            NotFoundError: No blob begins with it.
            AmbiguousError: A prefix fits several blobs.
        """
        if text == "none":
            return text
        if text[:1] == "@" and text[1:].isdecimal() and text.isascii():
            return int(text[1:])
        try:
            return self.resolve_digest(text)
        except InvalidDigestError as error:
            raise UsageError(
                f"{text[:80]!r} is no expectation: give a digest, @SEQ or none"
            ) from error

    def _released(self, name: str, selector: str) -> ContentDigest:
        if not selector:
            raise UsageError(f"{name}@ names no release: write {name}@current")
        if selector == "current":
            record = self.releases.current(name)
            if record is None:
                raise ReleaseNotFoundError(name)
            return record.spec_digest
        from aivcs.log.release import find_release

        wanted = int(selector) if selector.isdecimal() and selector.isascii() else selector
        return find_release(name, self.releases.iter_history(name), wanted).spec_digest


def stored_settings(backend: FileBackend) -> Settings:
    """Returns the settings that a store's own configuration gives it.

    Raises:
        UsageError: The configuration is invalid.
    """
    text = backend.read_config()
    if text is None:
        return Settings()
    from aivcs.config import parse_config, settings_of

    return settings_of([parse_config(text, f"{backend.path}/config.toml")])


def _run_id(text: str) -> RunId:
    try:
        return RunId(text)
    except InvalidNameError as error:
        raise UsageError(
            f"{text[:80]!r} cannot be a run id; aivcs run list shows the runs"
        ) from error


def _only(what: str, prefix: str, found: "Iterable[str]") -> "str | None":
    """Returns the only thing found, or the one that is the prefix itself; None if there is none."""
    candidates: list[str] = []
    for candidate in found:
        if candidate == prefix:
            return candidate
        candidates.append(str(candidate))
        if len(candidates) > _SHOWN:
            break
    if len(candidates) > 1:
        raise AmbiguousError(what, prefix, candidates[:_SHOWN])
    return candidates[0] if candidates else None


def _absent(error: Exception) -> str:
    raise error
