"""`aivcs run export`: runs in the forms that other programs read."""

from __future__ import annotations

from aivcs import __version__
from aivcs.errors import UsageError
from aivcs.formats.write import atif, markdown, otlp, trace
from aivcs.formats.write.run import Run
from aivcs.log.statement import encode_statement

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from aivcs.model.run import RunId
    from aivcs.repository import Repository

FORMATS = ("jsonl", "otlp", "atif", "markdown", "trace", "sqlite")
"""The forms, `sqlite` being a file and the others texts."""


def export(repo: Repository, runs: Iterable[str], form: str) -> Iterator[str | bytes]:
    """Yields runs in a form, in pieces; memory does not grow with a run.

    Args:
        repo: The repository.
        runs: The runs, as for `Repository.resolve_run`; none are all, the newest first.
        form: One of `FORMATS`, except `sqlite`.

    Raises:
        UsageError: The form is not one of these.
        RunNotFoundError: No run has this id; before anything is yielded.
        IntegrityError: A log is damaged.
    """
    if form not in FORMATS or form == "sqlite":
        raise UsageError(f"{form[:40]!a} is not a form of texts: {', '.join(FORMATS[:-1])}")
    ids = resolve(repo, runs)
    return (piece for run_id in ids for piece in _pieces(repo, run_id, form))


def resolve(repo: Repository, runs: Iterable[str]) -> Iterable[RunId]:
    """Returns the ids of runs, each once and known to exist; of none, those of all runs.

    Raises:
        RunNotFoundError: No run has this id.
    """
    named = list(dict.fromkeys(repo.resolve_run(run) for run in runs))
    for run_id in named:
        repo.runs.get_run(run_id)
    return named or (record.run_id for record in repo.runs.iter_runs())


def open_run(repo: Repository, run_id: RunId) -> Run:
    """Returns a run to be written.

    Raises:
        RunNotFoundError: No run has this id.
    """
    record, head = repo.runs.standing(run_id)
    return Run(record, head, repo.runs.iter_events(run_id), repo.annotations.of_run(run_id))


def _pieces(repo: Repository, run_id: RunId, form: str) -> Iterator[str | bytes]:
    if form == "jsonl":
        for line, _ in repo.store.logs.read(f"run/{run_id}"):
            yield line + b"\n"
        for each in repo.annotations.of_run(run_id):
            yield encode_statement(each.value)[1]
        return
    run = open_run(repo, run_id)
    if form == "otlp":
        yield from otlp.write(run, version=__version__)
    elif form == "atif":
        yield from atif.write(run, version=__version__)
    elif form == "trace":
        yield from trace.write(run)
    else:
        yield from markdown.write(run)
