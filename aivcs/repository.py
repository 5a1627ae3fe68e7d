"""A repository: blobs, runs and releases of one store.

    repo = Repository.init("project")        # or open(path), or discover(folder)
    digest = repo.blobs.put(b"You are a careful engineer.")
    with repo.start_run(digest, agent_name="bot") as run:
        run.log("tool_called", {"tool_name": "search"})
    repo.promote("bot", digest, by="alice")

It depends on no backend: `aivcs.opening` opens a store by the scheme of its URL, and it is used
through the contracts and its driver (`aivcs.store.driver`). `aivcs.short_names` finds what somebody
names.
"""

import os

from aivcs import errors
from aivcs.model.digest import ContentDigest, is_hex
from aivcs.model.record import is_safe
from aivcs.opening import (
    find_store,
    load_backend,
    split_url,
    stored_settings,
    trusting,
    with_blobs,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager
    from typing import Any

    from aivcs.active_run import ActiveRun
    from aivcs.log.erasure import Erasures
    from aivcs.model.release import ReleaseRecord
    from aivcs.model.release_entries import Approval
    from aivcs.model.run import RunId, RunOwner
    from aivcs.opening import Configure
    from aivcs.policy.enforce import PolicyContext
    from aivcs.signing.ssh import Signer
    from aivcs.store.contracts import AnnotationStore, CasStore, ReleaseRegistry, RunLedger
    from aivcs.store.driver import Backend, LogDriver, Lookup
    from aivcs.store.erasures import DocumentErasures
    from aivcs.store.runs import ListRuns
    from aivcs.store.settings import Settings

CONFIG = "config.toml"
"""The document that holds a store's configuration."""


class Repository:
    """The blobs, runs and releases of one store.

    Attributes:
        store: The backend; for maintenance only.
        blobs: The `CasStore`.
        runs: The `RunLedger`.
        releases: The `ReleaseRegistry`, which applies no policies; `promote` and `rollback` of the
            repository do.
    """

    __slots__ = ("_erasures", "_remote", "_runs", "store")

    def __init__(self, store: "Backend") -> None:
        """Takes an open backend; use `init`, `open` or `discover`."""
        self.store = store
        self._runs: RunLedger | None = None
        self._erasures: DocumentErasures | None = None
        self._remote = ""

    @classmethod
    def init(
        cls,
        folder: "str | os.PathLike[str]",
        *,
        shared: bool = False,
        private: bool = False,
        settings: "Settings | Configure | None" = None,
    ) -> "Repository":
        """Makes a store in a folder, `FOLDER/.aivcs`, or at a URL; repeating it is harmless.

        Args:
            folder: The folder that the store belongs to, made if it does not exist; or the URL.
            shared: Whether the folder's group may write.
            private: Whether only the owner may read and write; otherwise the umask decides.
            settings: The settings of this opening, as for `open`.

        Raises:
            UsageError: The folder is inside a store.
            BackendError: The store cannot be made.
        """
        scheme, where = split_url(folder)
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
            store: A path, or a URL with a scheme of `aivcs.opening.SCHEMES`.
            settings: The settings, or a function that makes them from the text of the store's own
                configuration; None uses that configuration alone.

        Raises:
            NoRepositoryError: There is no store.
            UnsupportedFormatError: A later version made the store.
            UsageError: The scheme is unknown, or the store's configuration is invalid.
        """
        scheme, where = split_url(store)
        backend = load_backend(scheme).open(where, settings or stored_settings(where))
        return cls(with_blobs(backend))

    @classmethod
    def discover(
        cls, start: "str | os.PathLike[str]" = ".", settings: "Settings | Configure | None" = None
    ) -> "Repository":
        """Opens the store of a folder: its own `.aivcs`, or the nearest one above it.

        It does not check who owns the store; the command line does. A file `.aivcs` that names a
        store elsewhere is followed if the store is trusted (`aivcs.config.link`).

        Raises:
            NoRepositoryError: There is no store, or it is not trusted.
            ConflictError: A trusted URL leads to another store than before.
        """
        found = find_store(start)
        if os.path.isfile(found):
            from aivcs.config import link, trust

            linked = link.follow(found)
            repo = cls.open(linked.store, trusting(linked.store, settings))
            if linked.ids:
                trust.require_identity(repo.store, linked.ids)
            return repo
        return cls.open(found, trusting(found, settings))

    @property
    def remote(self) -> str:
        """The remote whose releases it has (`pulled_from`); empty for its own."""
        return self._remote

    @property
    def path(self) -> str:
        """The path or URL of the store."""
        return self.store.url

    @property
    def identity(self) -> str:
        """The id of the store, made for one that has none.

        Raises:
            IntegrityError: It is damaged.
            BackendError: It cannot be read or made.
        """
        from aivcs.store.identity import identify

        return identify(self.store.documents)

    @property
    def blobs(self) -> "CasStore":
        """The blobs."""
        return self.store.objects

    @property
    def runs(self) -> "RunLedger":
        """The runs."""
        if self._runs is None:
            self._runs = self.runs_listed_by(self.store.list_runs)
        return self._runs

    def runs_listed_by(self, list_runs: "ListRuns", logs: "LogDriver | None" = None) -> "RunLedger":
        """Returns the runs, with lists that come from elsewhere.

        Args:
            list_runs: As `Backend.list_runs`.
            logs: The logs, with more than the store's do; None for these.
        """
        from aivcs.store.runs import LogRunLedger

        store = self.store
        return LogRunLedger(
            store.logs if logs is None else logs,
            max_event=store.settings.max_event,
            list_runs=list_runs,
            find_home=self.home_of,
            erasures=self._load_erasures,
        )

    def untrusted_source(self, run_id: str) -> "str | None":
        """Returns the label of the untrusted source that a run came from; None for any other.

        Such a run is read like any other, but does not count as evidence for a release.
        """
        from aivcs.store.runs import UNTRUSTED, read_mark

        return read_mark(self.store.documents, UNTRUSTED, run_id)

    def home_of(self, run_id: str) -> "str | None":
        """Returns the store where a run is recorded if the run here is a copy; None if it is here.

        A copy of a run that has ended is a run like any other.
        """
        from aivcs.store.runs import REPLICAS, read_mark

        return read_mark(self.store.documents, REPLICAS, run_id)

    @property
    def annotations(self) -> "AnnotationStore":
        """The remarks on runs; `annotate` makes one."""
        from aivcs.store.annotations import DocumentAnnotations

        return DocumentAnnotations(self.store.documents, max_payload=self.store.settings.max_event)

    @property
    def erasures(self) -> "DocumentErasures":
        """The records of what was erased on purpose; `redact` makes some."""
        from aivcs.store.erasures import DocumentErasures

        if self._erasures is None:
            self._erasures = DocumentErasures(self.store.documents)
        return self._erasures

    def _load_erasures(self) -> "Erasures":
        return self.erasures.load()

    @property
    def releases(self) -> "ReleaseRegistry":
        """The releases, without policies: `promote` and `rollback` of the repository apply them."""
        from aivcs.store.releases import LogReleaseRegistry

        if self._remote:
            from aivcs.store.pulled import PulledLogs

            return LogReleaseRegistry(PulledLogs(self.store, self._remote))
        return LogReleaseRegistry(self.store.logs)

    def pulled_from(self, remote: str) -> "Repository":
        """Returns this repository with the releases of a remote, as they were pulled, to read."""
        other = Repository(self.store)
        other._remote = remote
        return other

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
            spec: The spec that runs, as for `resolve_spec`.
            agent_name: The name of the agent.
            git_sha: The commit of the agent's code.
            tags: Any JSON value; other values become JSON as for `ActiveRun.log`.
            owner: The process that the run belongs to, from
                `aivcs.trace.process_identity.owner_of`.
            allow_missing_spec: Whether the spec and its parts may be missing from the store.

        Raises:
            InvalidNameError: The agent name is not valid.
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

    def annotate(
        self,
        run: str,
        kind: str = "note",
        payload: "Any" = None,
        *,
        by: str,
        text: "str | None" = None,
        tags: "Mapping[str, Any] | None" = None,
        sign: bool = False,
        signing_key: "str | None" = None,
    ) -> ContentDigest:
        """Adds a remark to a run, which may have ended; as `aivcs run annotate`.

        Args:
            run: The run, as for `resolve_run`.
            kind: What it is, such as `note` or `evaluation`.
            payload: Any JSON value; other values become JSON as for `ActiveRun.log`.
            by: Who makes it.
            text: A remark in words: the member `text` of the payload, which is then an object.
            tags: Tags that merge into those of the run: the member `tags`.
            sign: Whether to sign it, by default with the configured key.
            signing_key: The key to sign with; implies `sign`.

        Returns:
            The digest that names it.

        Raises:
            RunNotFoundError: No run has this id.
            UsageError: There is nothing to say, or a key is missing.
            SerializationError: The payload is not a JSON value, or too large.
            BackendError: It could not be stored or signed.
        """
        from aivcs.active_run import as_json
        from aivcs.store.annotations import compose

        run_id = self.runs.get_run(self.resolve_run(run)).run_id
        signer = None
        if sign or signing_key is not None:
            signer = self._signer(signing_key)
        annotation = compose(
            run_id,
            kind,
            as_json(payload),
            by=by,
            text=text,
            tags=as_json(dict(tags or {})),
            signer=signer,
        )
        with self.hold():  # it may refer to blobs
            return self.annotations.add(annotation)

    def redact(
        self,
        run: str,
        seqs: "Iterable[int]" = (),
        *,
        by: str,
        reason: str,
        match: "str | None" = None,
        with_blobs: bool = False,
        sign: bool = False,
        signing_key: "str | None" = None,
    ) -> "list[ContentDigest]":
        """Erases the content of events of a run; as `aivcs run redact`.

        Args:
            run: The run, as for `resolve_run`.
            seqs: The events; none is every event with the text of `match`.
            by: Who does it.
            reason: Why.
            match: A text that the payload of each event must have in it.
            with_blobs: Whether to erase the blobs of the run that have the text in them, too.
            sign: Whether to sign the records, by default with the configured key.
            signing_key: The key to sign with; implies `sign`.

        Returns:
            The digests of the records.

        Raises:
            UsageError: Nothing says what to erase, or a key is missing.
            NotFoundError: The run has no such event.
            RunNotFoundError: No run has this id.
            ConflictError: The store cannot erase, or the run goes on elsewhere.
            StorageError: Something could not be erased; what is recorded is completed later.
        """
        from aivcs.commands.run.redact import redact

        done = redact(
            self,
            run,
            list(seqs),
            by=by,
            reason=reason,
            match=match,
            with_blobs=with_blobs,
            signer=self._signer(signing_key) if sign or signing_key is not None else None,
        )
        return [stored.digest for stored in done.records]

    def search_runs(
        self,
        text: "str | None" = None,
        *,
        regex: "str | None" = None,
        kinds: "Sequence[str]" = (),
        tools: "Sequence[str]" = (),
        failed: bool = False,
        where: "Sequence[str]" = (),
        agents: "Sequence[str]" = (),
        tags: "Sequence[str]" = (),
    ) -> "Iterator[dict[str, Any]]":
        """Yields what matches in all runs, the newest run first; as `aivcs run search`.

        Each match is a flat dictionary with the same members (`run_id`, `seq`, `kind`, `passage`
        and so on), so `pandas.DataFrame(repo.search_runs("timeout"))` is a table. A run that cannot
        be read is left out; `aivcs verify` tells which.

        Args:
            text: A text in the payload.
            regex: Or a regular expression.
            kinds: Only events of these kinds.
            tools: Only calls and results of these tools.
            failed: Only what failed.
            where: Conditions on the payload, such as "/score < 0.5".
            agents: Only runs of these agents.
            tags: Only runs with these tags, as in "env=ci".

        Raises:
            UsageError: Nothing is asked, or something is not valid.
        """
        from aivcs.commands.run.records import match_records
        from aivcs.commands.run.search import search
        from aivcs.search.query import Query
        from aivcs.search.where import parse_where

        query = Query(
            text=text,
            regex=regex,
            kinds=kinds,
            tools=tools,
            failed=failed,
            where=[parse_where(condition) for condition in where],
        )
        filters = {"agents": agents, "tags": tags}
        return match_records(search(self, query, filters, unreadable=lambda _run, _error: None))

    def to_records(
        self, *, agents: "Sequence[str]" = (), tags: "Sequence[str]" = ()
    ) -> "Iterator[dict[str, Any]]":
        """Yields the runs as flat dictionaries, the newest first; tags as members `tag.KEY`.

        `pandas.DataFrame(repo.to_records())` is a table. A run that cannot be read is left out;
        `aivcs verify` tells which.

        Args:
            agents: Only runs of these agents.
            tags: Only runs with these tags, as in "env=ci".

        Raises:
            UsageError: A tag is malformed.
        """
        from aivcs.commands.run.list import list_
        from aivcs.commands.run.records import run_records

        runs = list_(self, agents=agents, tags=tags, unreadable=lambda _run, _error: None)
        return run_records(self, runs)

    def _signer(self, signing_key: "str | None") -> "Signer":
        from aivcs.config.layers import file_layers
        from aivcs.config.signers import signer

        own, _ = self.store.documents.read(CONFIG) or (None, "")
        layers = file_layers(os.environ, (f"{self.path}/config.toml", own))
        return signer(layers, os.environ, signing_key)

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
        signing_key: "str | Iterable[str] | None" = None,
    ) -> "ReleaseRecord":
        """Makes a spec live under a name, if the policies allow it; as `aivcs release promote`.

        The policies of the store's and the system's configuration apply. Signer and allowed signers
        are read from the user's and the system's configuration.

        Args:
            name: The agent's name.
            spec: The spec, as for `resolve_spec`.
            by: The actor.
            label: A name for the release, such as v1.2.
            notes: The reason.
            expect: The release that must be live, as for `resolve_expectation`.
            evidence: Runs that support the release, as for `resolve_run`; all must have ended.
            move_label: Whether the label may be that of another spec.
            allow_missing_spec: Whether the spec and its parts may be missing from the store.
            force: Whether to break rules, which is recorded; then `notes` must give the reason.
            sign: Whether to sign the release, by default with the configured key.
            signing_key: The key to sign with, or several; implies `sign`.

        Raises:
            PolicyError: A rule is not met.
            BlockedError: The spec is blocked under the name.
            ConflictError: The expected release is not live, or the label is another spec's.
            NotFoundError: The spec, or a part of it, is not in the store.
            IntegrityError: The spec, or a part of it, is damaged.
            RunNotFoundError: An evidence run does not exist.
            InvalidRunStateError: An evidence run has not ended.
            UsageError: A policy is not valid, or a reason or a key is missing.
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
        signing_key: "str | Iterable[str] | None" = None,
    ) -> "ReleaseRecord":
        """Makes an earlier release live again, if the policies allow it; `aivcs release rollback`.

        Args:
            name: The agent's name.
            by: The actor.
            to: The target, as for `resolve_target`; None is the previous release.
            reason: The reason.
            expect: The release that must be live, as for `resolve_expectation`.
            block: Whether to block the spec that was live; requires a reason.
            allow_missing_spec: Whether the spec and its parts may be missing from the store.
            force: Whether to break rules, which is recorded; requires a reason.
            sign: Whether to sign the release, by default with the configured key.
            signing_key: The key to sign with, or several; implies `sign`.

        Raises:
            ReleaseNotFoundError: The name has no releases, or not the target.
            NoPreviousReleaseError: No release is below the live one.
            PolicyError: A rule is not met.
            BlockedError: The spec that would become live is blocked under the name.
            ConflictError: The expected release is not live.
            NotFoundError: The spec, or a part of it, is not in the store.
            IntegrityError: The spec, or a part of it, is damaged.
            UsageError: A policy is not valid, or a reason or a key is missing.
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

    def approve(
        self,
        name: str,
        spec: str,
        *,
        by: str,
        notes: "str | None" = None,
        signing_key: "str | None" = None,
    ) -> "Approval":
        """Records a signed approval of a spec for a name; as `aivcs release approve`.

        Args:
            name: The agent's name.
            spec: The spec, as for `resolve_spec`.
            by: Who approves.
            notes: A remark.
            signing_key: The key to sign with; None is the configured one.

        Returns:
            The new entry of the release log.

        Raises:
            NotFoundError: The spec, or a part of it, is not in the store.
            ConflictError: The name belongs to another store.
            UsageError: There is no key.
            BackendError: A configuration file cannot be read, or no signature could be made.
        """
        from aivcs.policy.approvals import approve

        return approve(self, name, spec, by=by, notes=notes, signer=self._signer(signing_key))[0]

    def require_store_of(self, name: str) -> None:
        """Requires that this store may have releases of a name, as the system's files say.

        Raises:
            ConflictError: The name belongs to another store (`require_store`).
            UsageError: A pattern in the system's configuration is not valid.
        """
        if self.store.settings.require_store:
            from aivcs.policy.required_store import require_store

            require_store(self.store, name)

    def _policy_context(
        self, signing_key: "str | Iterable[str] | None", *, sign: bool
    ) -> "PolicyContext | None":
        """Policies and signers from all configuration files; None if there are none."""
        from aivcs.config.layers import file_layers, policies

        own, _ = self.store.documents.read(CONFIG) or (None, "")
        layers = file_layers(os.environ, (f"{self.path}/config.toml", own))
        names_erasers = any("signing.allowed_erasers" in values for _, values in layers)
        if not (policies(layers) or sign or names_erasers) and signing_key is None:
            return None
        from aivcs.config.signers import policy_context

        keys = [signing_key] if isinstance(signing_key, str) else [*(signing_key or ())]
        return policy_context(layers, os.environ, keys, sign=sign)

    def require_spec(self, digest: ContentDigest) -> None:
        """Requires that a spec, its parts and their files are in the store; reads and verifies all.

        Raises:
            NotFoundError: The spec, or a part of it, is not in the store.
            IntegrityError: The spec, or a part of it, is damaged.
        """
        from aivcs.specs.check import require_spec

        require_spec(self.blobs, digest)

    def get_blob(self, digest: str) -> bytes:
        """Returns the content of a blob, verified.

        Args:
            digest: A digest or a unique prefix, as for `resolve_digest`.

        Raises:
            NotFoundError: There is no such blob.
            AmbiguousError: The prefix fits several blobs.
            IntegrityError: The blob is damaged.
        """
        return self.blobs.get(self.resolve_digest(digest))

    def hold(self, *, later: bool = False) -> "AbstractContextManager[None]":
        """Returns a block in which no blob is removed that was found or put in it.

        Check for a blob and refer to it in one hold, so that garbage collection cannot come
        between.

        Args:
            later: Whether the hold begins only with the first blob put in it.

        Raises:
            LockTimeoutError: Blobs are being removed for too long; raised when the block begins.
        """
        return self.store.hold(later=later)

    def staying(self) -> "AbstractContextManager[None]":
        """Returns a block in which the whole store is not removed; only days of spools ever are.

        Raises:
            BackendError: It was removed since it was opened; raised when the block begins.
        """
        from contextlib import nullcontext

        return nullcontext()

    def pins(self, prefix: str = "", *, newest_first: bool = False) -> "Iterator[str]":
        """Yields the pins, which keep blobs that nothing refers to, in order.

        Args:
            prefix: The prefix of the pins.
            newest_first: Whether to order by the time of pinning instead, newest first.
        """
        for name in self.store.documents.names(f"pins/{prefix}", newest_first=newest_first):
            yield name[5:]

    def pin(self, digest: str) -> None:
        """Pins a blob, so that gc keeps it; durable on return, harmless if repeated.

        Raises:
            BackendError: The pin cannot be recorded.
        """
        self.store.documents.create(f"pins/{ContentDigest(digest)}", b"")

    def unpin(self, digest: str) -> None:
        """Removes a pin, if there is one.

        Raises:
            BackendError: The pin cannot be removed.
        """
        self.store.documents.drop(f"pins/{ContentDigest(digest)}")

    def edit_config(self, edit: "Callable[[bytes | None], bytes]") -> None:
        """Replaces the store's configuration by the result of a function; an empty one is removed.

        If another process changes it at the same time, the function is called again.

        Raises:
            BackendError: The configuration cannot be read or written.
            OutcomeUnknownError: The change may or may not be durable.
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
        """Returns the completion lookup: bounded queries for somebody who is typing a name."""
        return self.store.lookup(self.runs)

    def resolve_digest(self, text: str) -> ContentDigest:
        """Returns the digest for a whole digest or a unique prefix: `short_names.resolve_digest`.

        A whole digest is returned whether it is stored or not.
        """
        if len(text) == 64:
            return ContentDigest(text)
        from aivcs import short_names

        return short_names.resolve_digest(self, text)

    def resolve_pin(self, text: str) -> ContentDigest:
        """Returns the digest for a whole digest or a prefix, preferring pins to other blobs."""
        from aivcs import short_names

        return short_names.resolve_pin(self, text)

    def resolve_run(self, text: str) -> "RunId":
        """Returns the run id for a whole id, a unique prefix, or `@last`.

        A whole id is returned whether there is such a run or not.
        """
        if len(text) == 36 and is_safe(text):
            from aivcs.model.run import RunId

            return RunId(text)
        from aivcs import short_names

        return short_names.resolve_run(self, text)

    def resolve_spec(self, text: str, *, allow_missing: bool = False) -> ContentDigest:
        """Returns the digest of a spec named by digest, NAME@current, NAME@SEQ or NAME@LABEL.

        Args:
            text: The name of the spec.
            allow_missing: Whether a whole digest need not be in the store.
        """
        if allow_missing and len(text) == 64 and is_hex(text):
            return ContentDigest(text)
        from aivcs import short_names

        return short_names.resolve_spec(self, text, allow_missing=allow_missing)

    def resolve_target(self, name: str, text: "str | int") -> "ContentDigest | int | str":
        """Returns the rollback target for @SEQ, a seq, a digest or its prefix, or else a label."""
        from aivcs import short_names

        return short_names.resolve_target(self, name, text)

    def resolve_expectation(self, text: "str | int") -> "ContentDigest | int | str":
        """Returns the expectation for @SEQ, a seq, `none`, or a digest or its prefix."""
        from aivcs import short_names

        return short_names.resolve_expectation(self, text)
