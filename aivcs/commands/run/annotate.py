"""`aivcs run annotate`: adds a remark to a run, which may have ended."""

from __future__ import annotations

from aivcs.commands.run.payload import add_member, parse_payload, split_tag
from aivcs.errors import UsageError
from aivcs.model.annotation import NOTE
from aivcs.store.annotations import compose

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

    from aivcs.model.digest import ContentDigest
    from aivcs.repository import Repository
    from aivcs.store.statements import Signer


def annotate(
    repo: Repository,
    run: str,
    *,
    kind: str | None,
    words: Sequence[str],
    text: str | None,
    tags: Iterable[str],
    by: str,
    signer: Signer | None = None,
) -> ContentDigest:
    """Adds a remark to a run, and returns the digest that names it.

    Args:
        repo: The repository.
        run: The run, as for `Repository.resolve_run`.
        kind: What it is; None is a note.
        words: The payload, as for `run log`.
        text: A remark in words.
        tags: Words `key=text` or `key:=json`, which merge into the run's tags.
        by: Who makes it.
        signer: What signs it; None leaves it unsigned.

    Raises:
        UsageError: There is nothing to say, or a word is malformed.
        RunNotFoundError: No run has this id.
        BackendError: It could not be stored or signed.
    """
    if kind == "":
        raise UsageError("KIND is empty; is a variable unset?")
    if text is not None and not text.strip():
        raise UsageError("the TEXT of -m is empty; is a variable unset?")
    added: dict[str, Any] = {}
    for word in tags:
        add_member(added, *split_tag(word))
    payload = parse_payload(words) if words else None
    return add(repo, run, kind or NOTE, payload, by=by, text=text, tags=added, signer=signer)


def add(
    repo: Repository,
    run: str,
    kind: str,
    payload: Any,
    *,
    by: str,
    text: str | None,
    tags: Mapping[str, Any],
    signer: Signer | None = None,
) -> ContentDigest:
    """Adds a remark with a JSON value as its payload; otherwise as `annotate`."""
    run_id = repo.runs.get_run(repo.resolve_run(run)).run_id
    annotation = compose(run_id, kind, payload, by=by, text=text, tags=tags, signer=signer)
    with repo.hold():  # it may refer to blobs
        return repo.annotations.add(annotation)
