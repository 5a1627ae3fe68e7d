"""Comparing the indexes with the logs they were made of, and removing one that is wrong.

No log is judged by the index. One that disagrees is a cache that listing would believe, so it is
removed at once, and the next listing makes it anew: nothing is lost by that.
"""

from aivcs.backends.fs.index import texts
from aivcs.backends.fs.index.cache import NAME, BrokenError, Index, remove
from aivcs.backends.fs.index.refresh import count_contradictions, folders_of_runs, logs_in
from aivcs.backends.fs.index.texts import TextIndex
from aivcs.backends.fs.logs import FileLogDriver
from aivcs.errors import BackendError, RunNotFoundError, StorageError
from aivcs.log.run import read_record
from aivcs.log.verify_run import NOTICE
from aivcs.store.finding import Finding
from aivcs.store.runs import LogRunLedger

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from aivcs.backends.fs.folder import Folder
    from aivcs.model.run import RunRecord


def check_index(folder: "Folder") -> "Iterator[Finding]":
    """Yields a finding for each index that contradicts the logs; nothing for one that is absent."""
    yield from _check_runs(folder)
    yield from _check_texts(folder)


def _check_texts(folder: "Folder") -> "Iterator[Finding]":
    count = 0
    try:
        with TextIndex(folder) as index:
            covered = index.folders()
            for shard, stamp in folders_of_runs(folder):
                # In a folder that has changed, a search looks at each log.
                if covered.get(shard) == stamp:
                    known = index.known(shard)
                    for run_id, mark in logs_in(folder, shard, known):
                        count += known.get(run_id, mark) != mark
    except (BrokenError, BackendError):
        return
    if count:
        problem = f"the index of texts is older than {'the log' if count == 1 else 'the logs'} of "
        problem += "1 run" if count == 1 else f"{count} runs"
        yield _removed(texts.NAME, problem, lambda: texts.forget(folder))


def _check_runs(folder: "Folder") -> "Iterator[Finding]":
    logs = FileLogDriver(folder)

    def read(run_id: str) -> "RunRecord":
        with logs.look(f"run/{run_id}") as log:
            if log is None:
                raise RunNotFoundError(run_id)
            return read_record(log.first(), log.last, run_id)

    try:
        with Index(folder) as index:
            count = count_contradictions(folder, index, LogRunLedger(FileLogDriver(folder)).get_run)
    except (BrokenError, BackendError):
        return  # nobody believes the first; the second was found when the logs were read
    if not count:
        return
    runs = "1 run" if count == 1 else f"{count} runs"
    problem = f"the index of runs says of {runs} other than the logs, which are right"
    yield _removed(NAME, problem, lambda: remove(folder))


def _removed(name: str, problem: str, erase: "Callable[[], None]") -> Finding:
    remedy = "it is a cache: delete it"
    repaired: str | None = "removed; it is made anew when it is of use"
    try:
        erase()
    except StorageError as error:
        repaired, remedy = None, f"it is a cache: delete it, or have its owner do so ({error})"
    return Finding(NOTICE, name, None, problem, remedy, repaired)
