"""Candidates for completion: names of things in a store, by kind.

Every answer is a bounded read of the store. `aivcs.cli.parse.model` assigns the kinds to the
parameters.
"""

from itertools import islice

from aivcs.errors import StorageError
from aivcs.model.digest import is_hex
from aivcs.model.run import RunStatus
from aivcs.model.timestamp import Timestamp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from aivcs.model.release import ReleaseRecord
    from aivcs.repository import Repository

    Candidate = tuple[str, str, Timestamp | None]
    """A value, what it is, and since when."""

MAX_CANDIDATES = 50
"""The maximum number of candidates of one sort: nobody reads more."""


def candidates(
    repo: "Repository", kind: str, prefix: str, operands: "Sequence[str]"
) -> "Iterator[Candidate]":
    """Yields the things of a kind that begin with a prefix, the likeliest first.

    Args:
        repo: The repository.
        kind: `run`, `running`, `agent`, `release`, `digest`, `pin`, `spec`, `target`,
            `expectation` or `event`; of anything else there is nothing.
        prefix: The typed beginning.
        operands: The operands before it on the command line, without options.

    Raises:
        StorageError: The store cannot be read.
        UsageError: An operand names nothing.
    """
    find = _FINDERS.get(kind)
    if find is None:
        return
    for value, about, moment in find(repo, prefix, operands):
        if value.startswith(prefix):
            yield value, about, moment


def _runs(repo: "Repository", prefix: str, _: "Sequence[str]") -> "Iterator[Candidate]":
    for record in repo.lookup().runs(prefix, limit=MAX_CANDIDATES):
        about = f"{record.metadata.agent_name} {record.status.lower()}"
        yield record.run_id, about, record.created_at


def _running(repo: "Repository", prefix: str, _: "Sequence[str]") -> "Iterator[Candidate]":
    running = repo.lookup().runs(prefix, status=RunStatus.RUNNING, limit=MAX_CANDIDATES)
    for record in running:
        yield record.run_id, f"{record.metadata.agent_name} running", record.created_at
    if not running:  # the command itself refuses a run that is over
        yield from _runs(repo, prefix, ())


def _agents(repo: "Repository", prefix: str, _: "Sequence[str]") -> "Iterator[Candidate]":
    agents = repo.lookup().agents(prefix)
    for name, moment in agents.items():
        yield name, "last run", Timestamp.stored(moment)
    for candidate in _releases(repo, prefix, ()):
        if candidate[0] not in agents:
            yield candidate


def _releases(repo: "Repository", prefix: str, _: "Sequence[str]") -> "Iterator[Candidate]":
    for name, record in _live(repo, _names(repo, prefix)):
        yield name, _described(record), record.created_at


def _digests(repo: "Repository", prefix: str, _: "Sequence[str]") -> "Iterator[Candidate]":
    lowered = prefix.lower()
    if is_hex(lowered):
        for digest, size, moment in repo.lookup().blobs(lowered, limit=MAX_CANDIDATES):
            yield prefix + digest[len(prefix) :], f"{size} bytes", _timestamp(moment)


def _pins(repo: "Repository", prefix: str, _: "Sequence[str]") -> "Iterator[Candidate]":
    for pin in islice(repo.pins(prefix), MAX_CANDIDATES):
        yield pin, "pinned", None


def _specs(repo: "Repository", prefix: str, _: "Sequence[str]") -> "Iterator[Candidate]":
    name, mark, _selector = prefix.partition("@")
    names = [name] if mark else _names(repo, prefix)
    for name, record in _live(repo, names):
        yield f"{name}@current", _described(record), record.created_at
    if len(names) == 1:
        for value, about, moment in _entries(repo, names[0]):
            yield f"{names[0]}@{value.removeprefix('@')}", about, moment
    if not mark:
        yield from _digests(repo, prefix, ())


def _targets(repo: "Repository", prefix: str, operands: "Sequence[str]") -> "Iterator[Candidate]":
    if not operands:
        return
    entries = list(_entries(repo, operands[0]))
    yield from sorted(entries, key=lambda entry: entry[0][0] != "@")
    if prefix:
        for record in islice(repo.releases.iter_history(operands[0]), MAX_CANDIDATES):
            yield record.spec_digest, _described(record), record.created_at


def _expectations(repo: "Repository", _: str, operands: "Sequence[str]") -> "Iterator[Candidate]":
    record = repo.releases.current(operands[0]) if operands else None
    if record is None:
        yield "none", "nothing was released", None
        return
    yield f"@{record.seq}", _described(record), record.created_at
    yield record.spec_digest, _described(record), record.created_at


def _events(repo: "Repository", _: str, operands: "Sequence[str]") -> "Iterator[Candidate]":
    if operands:
        run_id = repo.resolve_run(operands[0])
        for kind, count in repo.lookup().kinds(run_id).items():
            yield kind, f"{count} of the last events", None


def _names(repo: "Repository", prefix: str) -> "list[str]":
    return list(
        islice((n for n in repo.releases.list_names() if n.startswith(prefix)), MAX_CANDIDATES)
    )


def _live(repo: "Repository", names: "list[str]") -> "Iterator[tuple[str, ReleaseRecord]]":
    """Yields the names with a live release. An unreadable log hides no other."""
    for name in names:
        try:
            record = repo.releases.current(name)
        except StorageError as error:
            if error.is_store_away:
                return
            continue
        if record is not None:
            yield name, record


def _entries(repo: "Repository", name: str) -> "Iterator[Candidate]":
    """Yields the releases of a name by number and by label, newest first."""
    seen = set()
    for record in islice(repo.releases.iter_history(name), MAX_CANDIDATES):
        yield f"@{record.seq}", _described(record), record.created_at
        label = record.metadata.version_label
        if label is not None and label not in seen:
            seen.add(label)
            yield label, _described(record), record.created_at


def _described(record: "ReleaseRecord") -> str:
    words = (f"@{record.seq}", record.metadata.version_label, record.spec_digest.short)
    return " ".join(word for word in words if word)


def _timestamp(moment: float) -> Timestamp:
    from time import gmtime

    return Timestamp.stored("%04d-%02d-%02dT%02d:%02d:%02d.000000Z" % gmtime(moment)[:6])


_FINDERS: "dict[str, Callable[[Repository, str, Sequence[str]], Iterator[Candidate]]]" = {
    "run": _runs,
    "running": _running,
    "agent": _agents,
    "release": _releases,
    "digest": _digests,
    "pin": _pins,
    "spec": _specs,
    "target": _targets,
    "expectation": _expectations,
    "event": _events,
}
