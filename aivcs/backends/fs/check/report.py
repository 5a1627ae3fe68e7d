"""The tasks of `verify`, each worth a thread, and the report of one."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from aivcs.store.finding import Finding

    Repair = Callable[[], str]
    Item = tuple[int, Callable[["Report"], None]]
    """About how many bytes are to be read, and the function that reads and judges them."""

_TASK_BYTES = 4 << 20
_TASK_ITEMS = 256
"""Bytes, or items, that complete a task: many items, since threads share the interpreter."""


class Report:
    """The result of one task.

    Attributes:
        read: The section and the bytes of each object and log that was read.
        found: The findings, each with its repair, or None.
    """

    __slots__ = ("found", "read")

    def __init__(self) -> None:
        """Begins empty."""
        self.read: list[tuple[str, int]] = []
        self.found: list[tuple[Finding, Repair | None]] = []

    def add(self, finding: "Finding", repair: "Repair | None" = None) -> None:
        """Adds a finding and its repair, if there is one."""
        self.found.append((finding, repair))


def tasks(items: "Iterable[Item]") -> "Iterator[Callable[[], Report]]":
    """Joins items, which may be tiny, to tasks that are worth a thread, in order."""
    batch: list[Callable[[Report], None]] = []
    size = 0
    for weight, item in items:
        batch.append(item)
        size += weight
        if size >= _TASK_BYTES or len(batch) >= _TASK_ITEMS:
            yield _task(batch)
            batch, size = [], 0
    if batch:
        yield _task(batch)


def _task(batch: "list[Callable[[Report], None]]") -> "Callable[[], Report]":
    def run() -> Report:
        report = Report()
        for item in batch:
            item(report)
        return report

    return run


def message(finding: "Finding", repair: "Repair | None" = None) -> "Item":
    """Returns the item of a finding that needs no reading."""
    return 0, lambda report: report.add(finding, repair)
