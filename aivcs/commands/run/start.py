"""`aivcs run start`: starts a run."""

from aivcs.errors import UsageError
from aivcs.model.record import check_name
from aivcs.model.run import RunMetadata

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
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

    Raises:
        UsageError: Not exactly one of spec and file is given, a tag is malformed, or the process
            does not exist.
        InvalidNameError: The name is not valid for an agent.
        NotFoundError: The spec, or a part of it, is not in the store.
        IntegrityError: The spec, or a part of it, is damaged.
    """
    check_name("agent name", agent)
    if (spec is None) == (spec_file is None):
        raise UsageError("give the spec: either --spec SPEC or --spec-file FILE")
    values: dict[str, Any] = {}
    if tags:
        from aivcs.commands.run.payload import add_member, split_tag

        for word in tags:
            add_member(values, *split_tag(word))
    if default_tags:
        values = {**default_tags, **values}
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
        return repo.runs.create_run(digest, metadata, owner=owner)
