"""Comparing the index of runs with the logs it was made of, and removing one that is wrong.

No log is judged by the index. One that disagrees is a cache that listing would believe, so it is
removed at once, and the next listing makes it anew: nothing is lost by that.
"""

from aivcs.backends.fs.index.cache import NAME, BrokenError, Index, remove
from aivcs.backends.fs.index.refresh import count_contradictions
from aivcs.backends.fs.logs import FileLogDriver
from aivcs.errors import BackendError, RunNotFoundError
from aivcs.log.run import read_record
from aivcs.log.verify_run import NOTICE
from aivcs.store.finding import Finding
from aivcs.store.runs import LogRunLedger

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from aivcs.backends.fs.folder import Folder
    from aivcs.model.run import RunRecord


def check_index(folder: "Folder") -> "Iterator[Finding]":
    """Yields one finding if the index contradicts the logs; nothing if there is no index."""
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
    remedy = "it is a cache: delete it"
    repaired: str | None = "removed; the next listing makes it anew"
    try:
        remove(folder)
    except BackendError as error:
        repaired, remedy = None, f"it is a cache: delete it, or have its owner do so ({error})"
    yield Finding(NOTICE, NAME, None, problem, remedy, repaired)
