"""A repository: the three stores of one place, and the short names people use for what is in them.

    repo = Repository.init("project")        # or open(path), or discover(folder)
    digest = repo.blobs.put(b"You are a careful engineer.")
    with repo.start_run(digest, agent_name="bot") as run:
        run.log("tool_called", {"tool_name": "search"})
    repo.promote("bot", digest, by="alice")

Knows no backend's inside: a store is opened by the scheme of its name, and used through the
contracts and its driver (`aivcs.store.driver`).
"""

import os

from aivcs import errors
from aivcs.errors import InvalidNameError, NotFoundError, UsageError
from aivcs.model.digest import ContentDigest, is_hex
from aivcs.model.record import parse_seq
from aivcs.store.settings import Settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from contextlib import AbstractContextManager
    from typing import Any

    from aivcs.active_run import ActiveRun
    from aivcs.model.release import ReleaseRecord
    from aivcs.model.run import RunId, RunOwner
    from aivcs.policy.enforce import PolicyContext
    from aivcs.store.contracts import CasStore, ReleaseRegistry, RunLedger
    from aivcs.store.driver import Backend, Lookup

    Configure = Callable[[bytes | None], Settings]

SCHEMES = {
    "file": "aivcs.backends.fs:FileBackend",
    "memory": "aivcs.backends.memory:MemoryBackend",
}
"""What opens and makes the stores of each scheme of URLs, as module and class; loaded when used."""
CONFIG = "config.toml"
"""The document that holds a store's configuration."""
MIN_PREFIX = 4
"""Characters of a digest or run id that may stand for all of it, at least."""
LAST = "@last"
"""The name of the newest run that this user made."""
_SHOWN = 5
"""Candidates named when a prefix is ambiguous."""


class Repository:
    """The stores of one place.

    Attributes:
        store: What keeps them; for maintenance, not for use.
        blobs: The `CasStore`.
        runs: The `RunLedger`.
        releases: The `ReleaseRegistry`. It is below policies: `promote` and `rollback` of the
            repository apply them.
    """

    __slots__ = ("_runs", "store")

    def __init__(self, store: "Backend") -> None:
        """Takes an open backend; use `init`, `open` or `discover`."""
        self.store = store
        self._runs: RunLedger | None = None

    @classmethod
    def init(
        cls,
        folder: "str | os.PathLike[str]",
        *,
        shared: bool = False,
        private: bool = False,
        settings: "Settings | None" = None,
    ) -> "Repository":
        """Makes a store in a folder, `FOLDER/.aivcs`; doing it again is harmless.

        Args:
            folder: The folder the store belongs to; made if it is not there.
            shared: Whether the folder's group may write.
            private: Whether nobody but its owner may read or write; else the umask says it.
            settings: How the store behaves while it is open.

        Raises:
            UsageError: The folder is inside of a store.
            BackendError: It cannot be made.
        """
        scheme, where = _split(folder)
        backend = load_backend(scheme)
        if scheme == "file":
            where = os.path.join(where, backend.STORE)
        configure = settings or stored_settings(where)
        return cls(backend.init(where, shared=shared, private=private, settings=configure))

    @classmethod
    def open(
        cls,
        store: "str | os.PathLike[str]",
        settings: "Settings | Configure | None" = None,
    ) -> "Repository":
        """Opens a store by its path, the folder that holds `format`, or by its URL.

        Args:
            store: A path, or an URL of a scheme of `SCHEMES`.
            settings: How the store behaves, or what makes that of the text of the store's own
                configuration; None takes that configuration alone.

        Raises:
            NoRepositoryError: There is no store.
            UnsupportedFormatError: It was made by a later version.
            UsageError: The scheme is unknown, or the store's configuration is invalid.
        """
        scheme, where = _split(store)
        return cls(load_backend(scheme).open(where, settings or stored_settings(where)))

    @classmethod
    def discover(
        cls, start: "str | os.PathLike[str]" = ".", settings: "Settings | Configure | None" = None
    ) -> "Repository":
        """Opens the store that a folder belongs to: its own `.aivcs`, or the nearest above it.

        Whose store that is, is the caller's to check; the command line does.

        Raises:
            NoRepositoryError: There is none.
        """
        return cls.open(find_store(start), settings)

    @property
    def path(self) -> str:
        """Where the store is: a path, or an URL."""
        return self.store.url

    @property
    def blobs(self) -> "CasStore":
        """The blobs."""
        return self.store.objects

    @property
    def runs(self) -> "RunLedger":
        """The runs."""
        if self._runs is None:
            from aivcs.store.runs import LogRunLedger

            store = self.store
            self._runs = LogRunLedger(
                store.logs, max_event=store.settings.max_event, list_runs=store.list_runs
            )
        return self._runs

    @property
    def releases(self) -> "ReleaseRegistry":
        """The releases, below all policies: use `promote` and `rollback` of the repository."""
        from aivcs.store.releases import LogReleaseRegistry

        return LogReleaseRegistry(self.store.logs)

    def start_run(
        self,
        spec: str,
        *,
        agent_name: str,
        git_sha: "str | None" = None,
        tags: "Any" = None,
        owner: "RunOwner | None" = None,
        allow_missing_spec: bool = False,
    ) -> "ActiveRun":
        """Starts a run; as a context manager, the run ends with the block.

        Args:
            spec: What runs, as for `resolve_spec`.
            agent_name: Which agent runs.
            git_sha: The commit of its code.
            tags: Any JSON value; others become JSON as for `ActiveRun.log`.
            owner: The process it belongs to; `aivcs.trace.process_identity.owner_of` describes one.
            allow_missing_spec: Whether the spec and its parts need not be stored whole.

        Raises:
            InvalidNameError: No agent can be released under the name.
            NotFoundError: The spec, or a part of it, is not in the store.
            IntegrityError: The spec, or a part of it, is damaged.
        """
        from aivcs.active_run import ActiveRun, as_json
        from aivcs.model.record import check_name
        from aivcs.model.run import RunMetadata

        check_name("agent name", agent_name)
        metadata = RunMetadata(agent_name, git_sha=git_sha, tags=as_json(tags))
        with self.hold():
            digest = self.resolve_spec(spec, allow_missing=True)
            if not allow_missing_spec:
                self.require_spec(digest)
            run_id = self.runs.create_run(digest, metadata, owner=owner)
        return ActiveRun(self.runs, run_id, self.resolve_digest)

    def promote(
        self,
        name: str,
        spec: str,
        *,
        by: str,
        label: "str | None" = None,
        notes: "str | None" = None,
        expect: "str | int | None" = None,
        evidence: "Iterable[str]" = (),
        move_label: bool = False,
        allow_missing_spec: bool = False,
        force: bool = False,
        sign: bool = False,
        signing_key: "str | None" = None,
    ) -> "ReleaseRecord":
        """Makes a spec live under a name, if the policies allow it; as `aivcs release promote`.

        The policies of the store's configuration and of the system's hold. Who signs, and whose
        signatures count, is read from the user's configuration and the system's.

        Args:
            name: The agent's name.
            spec: The spec, as for `resolve_spec`.
            by: Who promotes.
            label: A name for the release, as in v1.2.
            notes: Why.
            expect: What must be live now, as for `resolve_expectation`.
            evidence: Runs that speak for the spec, as for `resolve_run`; all must be over.
            move_label: Whether the label may be that of another spec.
            allow_missing_spec: Whether the spec and its parts need not be stored whole.
            force: Whether rules may be broken, which is recorded; then `notes` must say why.
            sign: Whether to sign the release, with the configured key if no other is given.
            signing_key: The key to sign with; naming one is asking for a signature.

        Raises:
            PolicyError: A rule is not met.
            BlockedError: The spec is blocked under the name.
            ConflictError: Something else than expected is live, or the label is another spec's.
            NotFoundError: The spec, or a part of it, is not in the store.
            IntegrityError: The spec, or a part of it, is damaged.
            RunNotFoundError: An evidence run is not there.
            InvalidRunStateError: An evidence run is not over.
            UsageError: A policy is not understood, or a reason or a key is missing.
            BackendError: A configuration file cannot be read, or no signature could be made.
        """
        from aivcs.policy import enforce

        return enforce.promote(
            self,
            name,
            spec,
            by=by,
            label=label,
            notes=notes,
            expect=expect,
            evidence=evidence,
            move_label=move_label,
            allow_missing_spec=allow_missing_spec,
            force=force,
            context=self._policy_context(signing_key, sign=sign),
        ).release

    def rollback(
        self,
        name: str,
        *,
        by: str,
        to: "str | int | None" = None,
        reason: "str | None" = None,
        expect: "str | int | None" = None,
        block: bool = False,
        allow_missing_spec: bool = False,
        force: bool = False,
        sign: bool = False,
        signing_key: "str | None" = None,
    ) -> "ReleaseRecord":
        """Makes an earlier release live again, if the policies allow it; `aivcs release rollback`.

        Args:
            name: The agent's name.
            by: Who rolls back.
            to: What to return to, as for `resolve_target`; None is the previous release.
            reason: Why.
            expect: What must be live now, as for `resolve_expectation`.
            block: Whether to block the spec that was live; then a reason must be given.
            allow_missing_spec: As for `promote`.
            force: As for `promote`; then a reason must be given.
            sign: As for `promote`.
            signing_key: As for `promote`.

        Raises:
            ReleaseNotFoundError: Nothing was released under the name, or never the target.
            NoPreviousReleaseError: There is nothing below the live release.
            PolicyError: A rule is not met.
            BlockedError: The spec that would be live is blocked under the name.
            ConflictError: Something else than expected is live.
            NotFoundError: The spec, or a part of it, is not in the store.
            IntegrityError: The spec, or a part of it, is damaged.
            UsageError: A policy is not understood, or a reason or a key is missing.
            BackendError: A configuration file cannot be read, or no signature could be made.
        """
        from aivcs.policy import enforce

        return enforce.rollback(
            self,
            name,
            by=by,
            to=to,
            reason=reason,
            expect=expect,
            block=block,
            allow_missing_spec=allow_missing_spec,
            force=force,
            context=self._policy_context(signing_key, sign=sign),
        ).release

    def _policy_context(self, signing_key: "str | None", *, sign: bool) -> "PolicyContext | None":
        """What a release has to pass by all configuration files; None if there is nothing."""
        from aivcs.config.keys import file_layers, policies

        own, _ = self.store.documents.read(CONFIG) or (None, "")
        layers = file_layers(os.environ, (f"{self.path}/config.toml", own))
        if not policies(layers) and not sign and signing_key is None:
            return None
        from aivcs.config.signers import policy_context

        return policy_context(layers, os.environ, signing_key, sign=sign)

    def require_spec(self, digest: ContentDigest) -> None:
        """Refuses a spec that is not in the store whole: itself, its parts, and their files.

        All of it is read and verified.

        Raises:
            NotFoundError: The spec, or a part of it, is not in the store.
            IntegrityError: The spec, or a part of it, is damaged.
        """
        from aivcs.specs.check import require_spec

        require_spec(self.blobs, digest)

    def get_blob(self, digest: str) -> bytes:
        """Returns the content of a blob, verified.

        Args:
            digest: As for `resolve_digest`: a digest or a unique prefix. The stores themselves take
                whole digests only.

        Raises:
            NotFoundError: There is no such blob.
            AmbiguousError: The prefix fits several.
            IntegrityError: It is damaged.
        """
        return self.blobs.get(self.resolve_digest(digest))

    def hold(self, *, later: bool = False) -> "AbstractContextManager[None]":
        """Returns a block in which no blob vanishes that is found or put in it.

        Who looks whether a blob is there and then refers to it does both in one hold, so that a
        collector of garbage cannot come between.

        Args:
            later: Whether it begins only with the first blob that is put in it.

        Raises:
            LockTimeoutError: From the block's beginning: blobs are being removed for too long.
        """
        return self.store.hold(later=later)

    def pins(self, prefix: str = "", *, newest_first: bool = False) -> "Iterator[str]":
        """Yields what is kept although nothing may refer to it: the names below `pins/`, in order.

        Args:
            prefix: How they begin.
            newest_first: Whether the one that was pinned last comes first.
        """
        for name in self.store.documents.names(f"pins/{prefix}", newest_first=newest_first):
            yield name[5:]

    def pin(self, digest: str) -> None:
        """Keeps a blob although nothing may refer to it; durable on return, harmless if repeated.

        Raises:
            BackendError: It cannot be recorded.
        """
        self.store.documents.create(f"pins/{ContentDigest(digest)}", b"")

    def unpin(self, digest: str) -> None:
        """Takes a pin away, if there is one.

        Raises:
            BackendError: It cannot be removed.
        """
        self.store.documents.drop(f"pins/{ContentDigest(digest)}")

    def edit_config(self, edit: "Callable[[bytes | None], bytes]") -> None:
        """Replaces the store's configuration by what a function makes of it; none that is empty.

        Whoever else changes it meanwhile comes before or after: then the function is called again.

        Raises:
            BackendError: It cannot be read or written.
            OutcomeUnknownError: Whether it is durable cannot be known.
        """
        documents = self.store.documents
        while True:
            text, version = documents.read(CONFIG) or (None, "")
            data = edit(text)
            try:
                if data:
                    documents.write(CONFIG, data, expect=version)
                elif text is not None:
                    documents.drop(CONFIG, expect=version)
                return
            except errors.ConflictError:
                continue

    def lookup(self) -> "Lookup":
        """Returns a bounded look at the store, for somebody who is typing a name."""
        return self.store.lookup(self.runs)

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
        if not is_hex(lowered) or len(text) > 64:
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
            pins = (pin for pin in self.pins() if len(pin) == 64)
            found = _only("pin", text, (pin for pin in pins if pin.startswith(lowered)))
            if found:
                return ContentDigest(found)
        return self.resolve_digest(text)

    def resolve_run(self, text: str) -> "RunId":
        """Returns the run id that a text names: all of it, a unique prefix, or `LAST`.

        Raises:
            UsageError: The text is empty or too short.
            RunNotFoundError: No run begins with it, or this user made none.
            AmbiguousError: Several do.
        """
        if len(text) == 36:  # a UUID; whether there is such a run, the ledger will say
            return _run_id(text)
        if text == LAST:
            for record in self.runs.iter_runs():
                if self.store.is_own(f"run/{record.run_id}"):
                    return record.run_id
            raise errors.RunNotFoundError(f"{LAST} (you have started none)")
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
            from aivcs.specs.check import missing_spec

            raise missing_spec(digest)
        return digest

    def resolve_target(self, name: str, text: "str | int") -> "ContentDigest | int | str":
        """Returns what a rollback target names: @SEQ, a digest or its prefix, else a label.

        A seq may also be given as a number.

        Raises:
            UsageError: The text is empty.
            AmbiguousError: A prefix fits several releases of the name.
        """
        if isinstance(text, int):
            return text
        if not text:
            raise UsageError("the target is empty; is a variable unset?")
        if text[0] == "@":
            seq = parse_seq(text[1:])
            if seq is None:
                raise UsageError(f"{text[:80]!r} is no target: write @SEQ, a label or a digest")
            return seq
        lowered = text.lower()
        if parse_seq(text) is not None and len(text) < MIN_PREFIX:
            raise UsageError(f"{text} is no target: write @{text} for the entry with that number")
        if not MIN_PREFIX <= len(text) <= 64 or not is_hex(lowered):
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

    def resolve_expectation(self, text: "str | int") -> "ContentDigest | int | str":
        """Returns what `--expect` names: @SEQ, `none`, or a digest or its prefix.

        A seq may also be given as a number.

        Raises:
            UsageError: The text is empty, or none of these.
            NotFoundError: No blob begins with it.
            AmbiguousError: A prefix fits several blobs.
        """
        if isinstance(text, int) or text == "none":
            return text
        seq = parse_seq(text[1:]) if text[:1] == "@" else None
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

        seq = parse_seq(selector)
        if seq is None:
            return find_release(name, self.releases.iter_history(name), selector).spec_digest
        from aivcs.model.release import ReleaseRecord

        found = self.releases.find(name, seq)
        # A mark has a number, too, but made nothing live.
        records = [found.value] if found and isinstance(found.value, ReleaseRecord) else []
        return find_release(name, records, seq).spec_digest


def find_store(start: "str | os.PathLike[str]") -> str:
    """Returns the path of the store that a folder belongs to: its own, or the nearest above it.

    Raises:
        NoRepositoryError: There is none.
    """
    found: str = load_backend("file").discover(_absolute(start))
    return found


def _split(store: "str | os.PathLike[str]") -> "tuple[str, str]":
    """The scheme of a store's URL and what its backend opens: an absolute path, or all of it."""
    text = os.fspath(store)
    scheme, mark, rest = text.partition("://")
    if not mark or scheme == "file":
        return "file", _absolute(rest if mark else text)
    if scheme not in SCHEMES:
        raise UsageError(
            f"{text}: this version keeps no stores at {scheme}://; give the path of a folder"
        )
    return scheme, text


def load_backend(scheme: str) -> "Any":
    """Returns the class of `SCHEMES` that opens and makes the stores of a scheme.

    It has `open(url, settings)` and `init(url, shared=…, private=…, settings=…)`, which give a
    `Backend`. The settings may be what makes them of the text of the store's own configuration.
    """
    module, _, name = SCHEMES[scheme].partition(":")
    return getattr(__import__(module, fromlist=[name]), name)


def _absolute(path: "str | os.PathLike[str]") -> str:
    """A path that stays the same place when the working directory changes."""
    if not os.fspath(path):
        raise UsageError("the path of the store is empty; is a variable unset?")
    return os.path.abspath(path)


def stored_settings(store: str) -> "Configure":
    """Returns what makes the settings of a store of the text of its own configuration.

    Args:
        store: Where it is, for messages.
    """

    def configure(text: "bytes | None") -> Settings:
        if text is None:
            return Settings()
        from aivcs.config.keys import parse_config, settings_of

        return settings_of([parse_config(text, f"{store}/config.toml")])

    return configure


def _run_id(text: str) -> "RunId":
    from aivcs.model.run import RunId

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
