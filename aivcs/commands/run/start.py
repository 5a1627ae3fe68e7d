"""`aivcs run start`: starts a run."""

from aivcs import errors
from aivcs.errors import ConflictError, UsageError
from aivcs.model.record import check_name
from aivcs.model.run import RunMetadata

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from aivcs.model.run import RunId
    from aivcs.repository import Repository


def start(
    repo: "Repository",
    *,
    agent: str,
    spec: "str | None",
    spec_file: "str | None",
    git_sha: "str | None",
    tags: "Sequence[str]",
    allow_missing_spec: bool,
    owner_pid: "int | None" = None,
    default_tags: "Mapping[str, str] | None" = None,
    key: "str | None" = None,
    parent: "str | None" = None,
    origin: "str | None" = None,
    inside: "str | None" = None,
    relatives: "Callable[[str], Repository] | None" = None,
) -> "RunId":
    """Starts a run and returns its id.

    Args:
        repo: The repository.
        agent: The agent's name.
        spec: The spec, as for `Repository.resolve_spec`.
        spec_file: Or a file, which is stored as the spec.
        git_sha: The commit of the agent's code.
        tags: Words `key=text` or `key:=json`.
        allow_missing_spec: Accept a spec that is not in the store, or not with all of its parts.
        owner_pid: The process id of the run's owner; None: no owner.
        default_tags: Tags of the CI job that runs; those in `tags` override them.
        key: A name of this run for the agent and this store: the run that was started with it
            before is returned again.
        parent: The run that it belongs to.
        origin: The run that it goes on from, RUN or RUN@SEQ.
        inside: The run of the `run exec` around, which is its parent unless one is given.
        relatives: Returns the repository that has a run; None: all are in `repo`.

    Raises:
        UsageError: Not exactly one of spec and file is given, a tag is malformed, or the process
            does not exist.
        InvalidNameError: The name is not valid for an agent.
        NotFoundError: The spec, or a part of it, is not in the store; or the run that it goes on
            from has no such event.
        RunNotFoundError: The parent, or the run that it goes on from, does not exist.
        IntegrityError: The spec, or a part of it, is damaged.
        ConflictError: A run with the key was started with another spec, or was erased.
    """
    check_name("agent name", agent)
    if (spec is None) == (spec_file is None):
        raise UsageError("give the spec: either --spec SPEC or --spec-file FILE")
    values = _tags_of(tags, default_tags or {})
    if parent is not None or origin is not None or inside:
        from aivcs.commands.run.lineage import lineage_tags

        known = lineage_tags(repo, parent=parent, start=origin, inside=inside, relatives=relatives)
        if (parent is not None and "parent" in values) or (origin and "from" in values):
            raise UsageError("--parent and --from are the tags parent and from; give each once")
        values = {**known, **values}
    metadata = RunMetadata(agent, git_sha=git_sha, tags=values)
    owner = None
    if owner_pid is not None:
        from aivcs.trace.process_identity import owner_of

        owner = owner_of(owner_pid)
    with repo.hold(later=spec is None):
        if spec is not None:
            digest = repo.resolve_spec(spec, allow_missing=True)
        else:
            from aivcs.commands.blob.input_files import store_file

            assert spec_file is not None
            digest = store_file(repo, spec_file)
        if not allow_missing_spec:
            repo.require_spec(digest)
        if key is None:
            return repo.runs.create_run(digest, metadata, owner=owner)
        run_id = id_of_key(repo, agent, key)
        try:
            return repo.runs.create_run(digest, metadata, owner=owner, run_id=run_id)
        except ConflictError as error:
            try:
                found = repo.runs.get_run(run_id)
            except errors.RunNotFoundError:
                raise error from None  # it was erased
            if (found.spec_digest, found.metadata.agent_name) != (digest, agent):
                raise ConflictError(
                    f"run {run_id} was started with this key already, and with the spec "
                    f"{found.spec_digest.short}; nothing was changed"
                ) from None
            return found.run_id


def _tags_of(words: "Sequence[str]", default_tags: "Mapping[str, str]") -> "dict[str, Any]":
    """Returns the tags of words, which override the default ones."""
    values: dict[str, Any] = {}
    if words:
        from aivcs.commands.run.payload import add_member, split_tag

        for word in words:
            add_member(values, *split_tag(word))
    return {**default_tags, **values}


def id_of_key(repo: "Repository", agent: str, key: str) -> str:
    """Returns the id of the run of an agent with a key, which is the same for every caller.

    It depends on the store, so that equal keys in two stores do not make two runs with one id. It
    has the form of other ids, a UUID, of version 8.

    Raises:
        UsageError: The key is empty.
    """
    from aivcs.codec.sha256 import hex_digest

    if not key:
        raise UsageError("the K of --key is empty; is a variable unset?")
    text = f"{repo.identity}\0{agent}\0{key}"
    h = hex_digest(text.encode("utf-8", "surrogateescape"))
    variant = "89ab"[int(h[16], 16) % 4]
    return f"{h[:8]}-{h[8:12]}-8{h[13:16]}-{variant}{h[17:20]}-{h[20:32]}"
