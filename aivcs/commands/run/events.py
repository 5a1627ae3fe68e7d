"""`aivcs run events`: yields the events of a run, and those to come if asked."""

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

    Following, it yields them as they were appended (a seq may come late), then each that is added,
    until the run ends; it holds none of them, however many there are.

    Args:
        repo: Where it is.
        run: The run.
        kinds: Only events of these kinds, if there are any.
        follow: To follow: what waits for so many seconds when there is nothing new, or less.

    Raises:
        UsageError: The kind is empty.
        RunNotFoundError: There is no such run, or no longer.
        IntegrityError: What is stored is damaged.
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
    """Yields the events as they stand in the log, then those that are appended, until the end."""
    from aivcs.errors import IntegrityError
    from aivcs.log import chain
    from aivcs.log.run import event_of
    from aivcs.store.place import START

    repo.runs.get_run(run_id)
    logs, name, place = repo.store.logs, f"run/{run_id}", START
    shortest, longest = repo.store.poll_seconds
    wait = shortest
    while True:
        before = place.lines
        for line, behind in logs.read(name, place):
            if behind.lines <= place.lines:
                raise IntegrityError.of(
                    f"{name} was cut or replaced while it was followed; see: aivcs run verify", name
                )
            place, wait = behind, shortest
            event = event_of(line)
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
