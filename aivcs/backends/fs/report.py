"""What was read and found by one task of `verify`, and the tasks: items that are worth a thread."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from aivcs.store.finding import Finding

    Mend = Callable[[], str]
    Item = tuple[int, Callable[["Report"], None]]
    """About how many bytes are to be read, and what reads and judges them."""

_TASK_BYTES = 4 << 20
_TASK_ITEMS = 64
"""What one thread reads before it hands over what it found, at least, unless there is less."""


class Report:
    """What one task read and found.

    Attributes:
        read: The part and the bytes of each object and log.
        found: What is wrong, each with how to repair it, if that is known.
    """

    __slots__ = ("found", "read")

    def __init__(self) -> None:
        """Begins with nothing."""
        self.read: list[tuple[str, int]] = []
        self.found: list[tuple[Finding, Mend | None]] = []

    def add(self, finding: "Finding", how: "Mend | None" = None) -> None:
        """Adds what is wrong, and how it can be repaired, if that is known."""
        self.found.append((finding, how))


def tasks(items: "Iterable[Item]") -> "Iterator[Callable[[], Report]]":
    """Joins items, which may be tiny, to tasks that are worth a thread's while, in order."""
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


def saying(finding: "Finding", how: "Mend | None" = None) -> "Item":
    """Returns an item that was judged already."""
    return 0, lambda report: report.add(finding, how)
