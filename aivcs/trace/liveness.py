"""Decides which RUNNING runs are orphans, whose process is gone. No I/O.

The owner of a run is gone only if that is proven:

- the owner was on this machine, and the machine has been rebooted since;
- or the owner belongs to this boot and this pid namespace, and its pid is free, or belongs to a
  process that started at another time, or to a zombie.

Nothing else is a proof: another host, another container, a run without an owner. Such a run is left
alone unless a person names it or gives an age limit. A run whose owner is alive is always left
alone.
"""

from __future__ import annotations

from aivcs.model.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from aivcs.model.run import RunOwner
    from aivcs.model.timestamp import Timestamp

ALIVE = "alive"
"""The owner exists."""
GONE = "gone"
"""The owner has ended."""
UNKNOWN = "unknown"
"""Neither can be proven."""


class Place(Record):
    """The host, boot and pid namespace of the judging process; fields as in `RunOwner`."""

    __slots__ = ("host", "machine_id", "boot_id", "pid_namespace")  # noqa: RUF023 as RunOwner
    host: str
    machine_id: str | None
    boot_id: str | None
    pid_namespace: str | None

    def __init__(
        self,
        *,
        host: str,
        machine_id: str | None,
        boot_id: str | None,
        pid_namespace: str | None,
    ) -> None:
        """Takes the fields as they are."""
        self._fill(host, machine_id, boot_id, pid_namespace)


class Process(Record):
    """An existing process.

    Attributes:
        start_time: The time it started, in clock ticks since boot, whatever the time namespace;
            None if unknown.
        is_over: Whether it is a zombie: ended, but not yet waited for by its parent.
    """

    __slots__ = ("start_time", "is_over")  # noqa: RUF023 as one reads them
    start_time: int | None
    is_over: bool

    def __init__(self, start_time: int | None, *, is_over: bool = False) -> None:
        """Takes the fields as they are."""
        self._fill(start_time, is_over)


class Verdict(Record):
    """The state of an owner, or the action for a run, with the reason.

    Attributes:
        what: The state or action.
        reason: The reason, as the end of a sentence.
    """

    __slots__ = ("what", "reason")  # noqa: RUF023 as one reads them
    what: str
    reason: str

    def __init__(self, what: str, reason: str) -> None:
        """Takes the fields as they are."""
        self._fill(what, reason)


def judge_owner(owner: RunOwner, here: Place, process: Process | None) -> Verdict:
    """Returns whether an owner is `ALIVE`, `GONE` or `UNKNOWN`.

    Args:
        owner: The owner of a run.
        here: The place of the judging process.
        process: The process that has the owner's pid here and now, or None.
    """
    who = f"process {owner.pid} on {owner.host}"
    if owner.boot_id is None or here.boot_id is None:
        return Verdict(UNKNOWN, f"its owner, {who}, cannot be told from others")
    if owner.host != here.host:
        return Verdict(UNKNOWN, f"its owner, {who}, is on another host than this, {here.host}")
    if owner.boot_id != here.boot_id:
        if owner.machine_id is None or owner.machine_id != here.machine_id:
            return Verdict(UNKNOWN, f"its owner, {who}, is on another machine of that name")
        return Verdict(GONE, f"its owner, {who}, ended when the machine was started anew")
    if owner.pid_namespace is None or owner.pid_namespace != here.pid_namespace:
        return Verdict(UNKNOWN, f"its owner, {who}, is in another container (PID namespace)")
    if process is None:
        return Verdict(GONE, f"its owner, {who}, has ended")
    if owner.start_time is None or process.start_time is None:
        return Verdict(UNKNOWN, f"its owner, {who}, cannot be told from others")
    # A time namespace may shift what is read by parts of a tick; numbers are not reused that fast.
    if abs(owner.start_time - process.start_time) > 1:
        return Verdict(GONE, f"its owner, {who}, has ended; another process has its number now")
    if process.is_over:
        return Verdict(GONE, f"its owner, {who}, has ended")
    return Verdict(ALIVE, f"its owner, {who}, is alive")


REAP = "reap"
"""The run is an orphan and is to be ended."""
LEAVE = "leave"
"""The run is to be left alone."""


def judge_run(
    owner: Verdict | None,
    *,
    is_named: bool,
    last_sign: Timestamp | None = None,
    older_than: Timestamp | None = None,
) -> Verdict:
    """Returns whether to `REAP` a run that is RUNNING, or to `LEAVE` it.

    Args:
        owner: The result of `judge_owner`, or None for a run without an owner.
        is_named: Whether a person named the run.
        last_sign: The time of the run's last sign of life; needed only with `older_than`.
        older_than: A run without a sign of life since this time is old enough, without a proof; a
            named run must be that old, too. None for no age limit.
    """
    if owner is not None and owner.what == ALIVE:
        return Verdict(LEAVE, owner.reason)
    if owner is not None and owner.what == GONE:
        return Verdict(REAP, owner.reason)
    unproven = "it has no owner" if owner is None else owner.reason
    if older_than is not None:
        assert last_sign is not None
        if last_sign < older_than:
            return Verdict(REAP, f"{unproven}, and it was last heard of at {last_sign}")
        return Verdict(LEAVE, f"{unproven}, but it was heard of at {last_sign}")
    if is_named:
        return Verdict(REAP, f"{unproven}, and it was named")
    return Verdict(LEAVE, f"{unproven}; name it, or say --older-than, if it is to end")
