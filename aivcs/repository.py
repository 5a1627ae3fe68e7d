"""A repository: the three stores of one place, and the short names people use for what is in them.

    repo = Repository.init("project")        # or open(path), or discover(folder)
    digest = repo.blobs.put(b"You are a careful engineer.")
    with repo.start_run(digest, agent_name="bot") as run:
        run.log("tool_called", {"tool_name": "search"})
    repo.releases.promote("bot", digest, ReleaseMetadata("alice"))

Knows no file and no backend's inside: a store is opened by the scheme of its name, and used through
the contracts alone.
"""

import os

from aivcs import errors
from aivcs.backends.fs import FileBackend
from aivcs.errors import InvalidNameError, NotFoundError, UsageError
from aivcs.model import ContentDigest
from aivcs.store.settings import Settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from aivcs.active_run import ActiveRun
    from aivcs.backends.fs.folder import Hold
    from aivcs.model import RunId, RunOwner
    from aivcs.store.contracts import CasStore, ReleaseRegistry, RunLedger

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
        cls,
        folder: "str | os.PathLike[str]",
        *,
        shared: bool = False,
        settings: "Settings | None" = None,
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

        path = os.path.join(_absolute(folder), STORE)
        backend = FileBackend.init(path, shared=shared, settings=settings)
        if settings is None:
            backend.settings = stored_settings(backend)
        return cls(backend)

    @classmethod
    def open(
        cls, store: "str | os.PathLike[str]", settings: "Settings | None" = None
    ) -> "Repository":
        """Opens a store by its path, the folder that holds `format`.

        Args:
            store: A path; an URL of a scheme names a kind of store that this version has not.
            settings: How the store behaves; the store's own configuration applies if None.

        Raises:
            NoRepositoryError: There is no store.
            UnsupportedFormatError: It was made by a later version.
            UsageError: The scheme is unknown, or the store's configuration is invalid.
        """
        scheme, mark, rest = os.fspath(store).partition("://")
        if mark and scheme != "file":
            raise UsageError(
                f"{store}: this version keeps stores in folders only, not at {scheme}://; "
                "give the path of a folder"
            )
        backend = FileBackend.open(_absolute(rest if mark else store), settings)
        if settings is None:
            backend.settings = stored_settings(backend)
        return cls(backend)

    @classmethod
    def discover(
        cls, start: "str | os.PathLike[str]" = ".", settings: "Settings | None" = None
    ) -> "Repository":
        """Opens the store that a folder belongs to: its own `.aivcs`, or the nearest above it.

        Whose store that is, is the caller's to check (`backend.owner`); the command line does.

        Raises:
            NoRepositoryError: There is none.
        """
        return cls.open(FileBackend.discover(_absolute(start)), settings)

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
            owner: The process it belongs to; `aivcs.trace.process_identity.owner_of` describes one.

        Raises:
            NotFoundError: The spec is not in the store.
        """
        from aivcs.active_run import ActiveRun
        from aivcs.model import RunMetadata

        metadata = RunMetadata(agent_name, git_sha=git_sha, tags=tags)
        with self.hold():
            run_id = self.runs.create_run(self.resolve_spec(spec), metadata, owner=owner)
        return ActiveRun(self.runs, run_id)

    def hold(self, *, later: bool = False) -> "Hold":
        """Returns a block in which no blob vanishes that is found or put in it.

        Who looks whether a blob is there and then refers to it does both in one hold, so that a
        collector of garbage cannot come between.

        Args:
            later: Whether it begins only with the first blob that is put in it.

        Raises:
            LockTimeoutError: From the block's beginning: blobs are being removed for too long.
        """
        return self.backend.hold(later=later)

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
        if lowered.strip("0123456789abcdef") or len(text) > 64:
            raise errors.InvalidDigestError(text)
        if len(text) < MIN_PREFIX:
            raise UsageError(f"DIGEST {text} is too short: give at least {MIN_PREFIX} characters")
        found = _only("digest", text, self.blobs.list_digests(lowered))
        if found is None:
            raise NotFoundError(text, f"no blob begins with {text}; see: aivcs blob ls")
        return ContentDigest(found)

    def resolve_pin(self, text: str) -> ContentDigest:
        """Returns the digest that a text names as `resolve_digest` does, but among pins first.

        Raises:
            UsageError: The text is empty.
            InvalidDigestError: It is no prefix of a digest.
            NotFoundError: Neither a pin nor a blob begins with it.
            AmbiguousError: Several pins do; or no pin, and several blobs.
        """
        if MIN_PREFIX <= len(text) < 64:
            lowered = text.lower()
            pins = (pin for pin in self.backend.pins() if len(pin) == 64)
            found = _only("pin", text, (pin for pin in pins if pin.startswith(lowered)))
            if found:
                return ContentDigest(found)
        return self.resolve_digest(text)

    def resolve_run(self, text: str) -> "RunId":
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
        found = _only("run", text, self.runs.list_run_ids(run_id))
        if found is None:
            raise errors.RunNotFoundError(text)
        return _run_id(found)

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
        elif len(text) < MIN_PREFIX:
            raise errors.InvalidSpecError(text)
        else:
            try:
                digest = self.resolve_digest(text)
            except errors.InvalidDigestError as error:
                raise errors.InvalidSpecError(text) from error
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
        if text[0] == "@":
            seq = _seq_of(text[1:])
            if seq is None:
                raise UsageError(f"{text[:80]!r} is no target: write @SEQ, a label or a digest")
            return seq
        lowered = text.lower()
        if _seq_of(text) is not None and len(text) < MIN_PREFIX:
            raise UsageError(f"{text} is no target: write @{text} for the entry with that number")
        if not MIN_PREFIX <= len(text) <= 64 or lowered.strip("0123456789abcdef"):
            return text
        seen = sorted({record.spec_digest for record in self.releases.iter_history(name)})
        found = _only("digest", text, (digest for digest in seen if digest.startswith(lowered)))
        if found is None:
            raise errors.ReleaseNotFoundError(
                name,
                f"{name} has no release {text}; see: aivcs release history {name}, "
                f"or make it one: aivcs release promote {name} {text}",
                text,
            )
        return ContentDigest(found)

    def resolve_expectation(self, text: str) -> "ContentDigest | int | str":
        """Returns what `--expect` names: @SEQ, `none`, or a digest or its prefix.

        Raises:
            UsageError: The text is empty, or none of these.
            NotFoundError: No blob begins with it.
            AmbiguousError: A prefix fits several blobs.
        """
        if text == "none":
            return text
        seq = _seq_of(text[1:]) if text[:1] == "@" else None
        if seq is not None:
            return seq
        try:
            return self.resolve_digest(text)
        except errors.InvalidDigestError as error:
            raise UsageError(
                f"{text[:80]!r} is no expectation: give a digest, @SEQ or none"
            ) from error

    def _released(self, name: str, selector: str) -> ContentDigest:
        if not selector:
            raise UsageError(f"{name}@ names no release: write {name}@current")
        if selector == "current":
            record = self.releases.current(name)
            if record is None:
                raise errors.ReleaseNotFoundError(name)
            return record.spec_digest
        from aivcs.log.release import find_release

        seq = _seq_of(selector)
        if seq is None:
            return find_release(name, self.releases.iter_history(name), selector).spec_digest
        from aivcs.model import ReleaseRecord

        found = self.releases.find(name, seq)
        # A mark has a number, too, but made nothing live.
        records = [found.what] if found and isinstance(found.what, ReleaseRecord) else []
        return find_release(name, records, seq).spec_digest


def _absolute(path: "str | os.PathLike[str]") -> str:
    """A path that stays the same place when the working directory changes."""
    if not os.fspath(path):
        raise UsageError("the path of the store is empty; is a variable unset?")
    return os.path.abspath(path)


def _seq_of(text: str) -> "int | None":
    """The sequence number that a text is; None if it is none, or longer than one can be."""
    return int(text) if text.isdecimal() and text.isascii() and len(text) <= 16 else None


def stored_settings(backend: FileBackend) -> Settings:
    """Returns the settings that a store's own configuration gives it.

    Raises:
        UsageError: The configuration is invalid.
    """
    text = backend.read_config()
    if text is None:
        return Settings()
    from aivcs.config.keys import parse_config, settings_of

    return settings_of([parse_config(text, f"{backend.path}/config.toml")])


def _run_id(text: str) -> "RunId":
    from aivcs.model import RunId

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
        raise errors.AmbiguousError(what, prefix, candidates[:_SHOWN])
    return candidates[0] if candidates else None
