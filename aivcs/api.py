"""A repository as Python programs use it: with the commands that record, release, find and erase.

    repo = Repository.init("project")        # or open(path), or discover(folder)
    digest = repo.blobs.put(b"You are a careful engineer.")
    with repo.start_run(digest, agent_name="bot") as run:
        run.log("tool_called", {"tool_name": "search"})
    repo.promote("bot", digest, by="alice")

Policies and signers come from the configuration files, as for the command line; each command is
loaded when it is first called.
"""

import os

from aivcs import repository
from aivcs.repository import CONFIG

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import Any

    from aivcs.active_run import ActiveRun
    from aivcs.model.digest import ContentDigest
    from aivcs.model.release import ReleaseRecord
    from aivcs.model.release_entries import Approval
    from aivcs.model.run import RunOwner
    from aivcs.policy.enforce import PolicyContext
    from aivcs.signing.ssh import Signer


class Repository(repository.Repository):
    """The blobs, runs and releases of one store, and the commands on them."""

    __slots__ = ()

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
    ) -> "ContentDigest":
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
        from aivcs.commands.run.annotate import add

        return add(
            self,
            run,
            kind,
            as_json(payload),
            by=by,
            text=text,
            tags=as_json(dict(tags or {})),
            signer=self._signer(signing_key) if sign or signing_key is not None else None,
        )

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
            UsageError: A key is missing.
            BackendError: A configuration file cannot be read, or no signature could be made.
        """
        from aivcs.policy.approvals import approve

        return approve(self, name, spec, by=by, notes=notes, signer=self._signer(signing_key))[0]

    def _signer(self, signing_key: "str | None") -> "Signer":
        from aivcs.config.layers import file_layers
        from aivcs.config.signers import signer

        own, _ = self.store.documents.read(CONFIG) or (None, "")
        layers = file_layers(os.environ, (f"{self.path}/config.toml", own))
        return signer(layers, os.environ, signing_key)

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
