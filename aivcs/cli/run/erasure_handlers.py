"""Handlers of the commands that erase: each prints a line for each record."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aivcs.cli.render import output as render
from aivcs.cli.session.git_identity import actor
from aivcs.errors import UsageError
from aivcs.model.erasure import ErasedAnnotation, ErasedBlob, ErasedEvent, ErasedLog
from aivcs.model.record import parse_seq
from aivcs.present.words import count

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aivcs.cli.session.context import Context
    from aivcs.model.erasure import StoredErasure
    from aivcs.repository import Repository
    from aivcs.store.annotations import Signer


def redact(
    context: Context,
    run: str,
    seqs: list[str],
    match: str | None,
    pointer: str | None,
    reason: str,
    with_blobs: bool,
    keep_masked: bool,
    force: bool,
    by: str | None,
    sign: bool,
    signing_key: str | None,
    as_json: bool,
) -> None:
    """Prints a line for each record; what to do next on stderr."""
    from aivcs.commands.run.redact import redact

    run = context.run_operand(run)
    numbers = [_seq(text) for text in seqs]
    repo = context.repository()
    done = redact(
        repo,
        run,
        numbers,
        by=actor(context) if by is None else by,
        reason=reason,
        match=match,
        pointer=pointer,
        keep_masked=keep_masked,
        with_blobs=with_blobs,
        force=force,
        signer=signer_of(context, repo, signing_key, sign=sign),
    )
    write_records(context, done.records, as_json=as_json)
    for sentence in done.left:
        context.warn(f"aivcs: warning: {render.escape(sentence)}")
    if not done.records:
        context.warn("nothing to do: it was redacted before")
        return
    context.warn(
        f"erased {_counted(done.records)}. The kept hash confirms a guess, and there may be other "
        "copies: replace the secret"
    )


def signer_of(
    context: Context, repo: Repository, signing_key: str | None, *, sign: bool
) -> Signer | None:
    """Returns what signs the records; None if nothing does."""
    if not sign and signing_key is None:
        return None
    from aivcs.config.signers import signer

    return signer(context.config_layers(repo), context.environment, signing_key)


def write_records(context: Context, records: Iterable[StoredErasure], *, as_json: bool) -> None:
    """Prints what each record says was erased, and its digest."""
    for stored in records:
        if as_json:
            context.write(render.json_line(stored.to_json()))
        else:
            for what in _named(stored):
                context.write(f"{what}\t{stored.digest}\n")
    context.flush()


def _named(stored: StoredErasure) -> list[str]:
    target = stored.value.target
    if isinstance(target, ErasedEvent):
        return [f"{target.log}@{target.seq}"]
    if isinstance(target, ErasedLog):
        return [target.log]
    if isinstance(target, ErasedBlob):
        return [f"blob/{target.digest}"]
    if isinstance(target, ErasedAnnotation):
        return [f"annotation/{target.digest}"]
    return [log.log for log in target.logs]


def _counted(records: Iterable[StoredErasure]) -> str:
    names = {"event": "event", "blob": "blob", "annotation": "annotation", "log": "run"}
    found: dict[str, int] = {}
    for stored in records:
        found[stored.value.what] = found.get(stored.value.what, 0) + 1
    return ", ".join(count(number, names[what]) for what, number in found.items())


def _seq(text: str) -> int:
    number = parse_seq(text)
    if number is None:
        raise UsageError(f"{text[:80]!a} is not the seq of an event: write a whole number")
    return number
