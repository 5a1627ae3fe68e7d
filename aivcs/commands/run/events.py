"""`aivcs run events`: reads the events of a run, and follows it if asked."""

from aivcs import errors
from aivcs.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from aivcs.model.run import RunEvent, RunId
    from aivcs.repository import Repository


def events(
    repo: "Repository",
    run: str,
    *,
    kinds: "Collection[str]" = (),
    follow: "Callable[[float], object] | None" = None,
) -> "Iterator[RunEvent]":
    """Yields the events of a run by seq.

    With `follow`, it yields the stored events in the order of the log (a seq may come late), then
    each new one until the run ends. Memory does not grow with the number of events.

    Following, it yields them as they were appended (a seq may come late), then each that is added,
    until the run ends; it holds none of them, however many there are.

    Args:
        repo: The repository.
        run: The run.
        kinds: Events of these kinds; empty is all.
        follow: Waits up to that many seconds when there is no new event; None: do not follow.

    Raises:
        UsageError: A kind is empty.
        RunNotFoundError: No run has this id, or it was removed.
        IntegrityError: The stored data is damaged.
    """
    if "" in kinds:
        raise UsageError("KIND is empty; is a variable unset?")
    run_id = repo.resolve_run(run)
    found = _follow(repo, run_id, follow) if follow else repo.runs.iter_events(run_id)
    for event in found:
        if not kinds or event.kind in kinds:
            yield event


def _follow(
    repo: "Repository", run_id: "RunId", pause: "Callable[[float], object]"
) -> "Iterator[RunEvent]":
    """Yields the events in the order of the log, then each new one until the run ends."""
    from aivcs.errors import IntegrityError
    from aivcs.log import chain
    from aivcs.log.run import read_event
    from aivcs.store.place import START

    repo.runs.get_run(run_id)
    logs, name, place = repo.store.logs, f"run/{run_id}", START
    shortest, longest = repo.store.poll_seconds
    wait = shortest
    while True:
        before = place.lines
        for line, after in logs.read(name, place):
            if after.lines <= place.lines:
                raise IntegrityError.of(
                    f"{name} was cut or replaced while it was followed; see: aivcs run verify", name
                )
            place, wait = after, shortest
            event = read_event(line)
            if event is not None:
                yield event
            elif place.lines == 1:
                chain.require_name(chain.members(line).get("run_id"), run_id)
            else:
                return
        if place.lines == before:
            with logs.look(name) as view:
                if view is None:
                    raise errors.RunNotFoundError(run_id)
        pause(wait)
        wait = min(wait * 1.5, longest)
