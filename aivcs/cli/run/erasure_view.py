"""The output of the commands that erase: a line for each record, or for each run."""

from __future__ import annotations

from aivcs.cli.render import output as render
from aivcs.model.erasure import ErasedAnnotation, ErasedBlob, ErasedEvent, ErasedLog
from aivcs.present.words import count

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from aivcs.cli.session.context import Context
    from aivcs.commands.run.prune import Pruned
    from aivcs.model.erasure import StoredErasure


def write_pruned(context: Context, done: Pruned, *, dry_run: bool, as_json: bool) -> None:
    """Prints the id of each run; on stderr how many they are, and their bytes."""
    for run_id in done.runs:
        context.write(render.json_line({"run_id": run_id}) if as_json else f"{run_id}\n")
    context.flush()
    if done.kept:
        context.warn(f"kept {count(done.kept, 'run')}, on which a release stands")
    verb = "would erase" if dry_run else "erased"
    context.warn(f"{verb} {count(len(done.runs), 'run')} of {count(done.size, 'byte')}")


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


def counted(records: Iterable[StoredErasure]) -> str:
    """Returns how many of each were erased, as words."""
    names = {"event": "event", "blob": "blob", "annotation": "annotation", "log": "run"}
    found: dict[str, int] = {}
    for stored in records:
        found[stored.value.what] = found.get(stored.value.what, 0) + 1
    return ", ".join(count(number, names[what]) for what, number in found.items())
