"""Which runs are orphans: the rules by which a run may be ended for those who left it. No I/O.

A run is an orphan for certain if its owner is gone, and that is believed only where it is proven:

- the owner was on this machine, and the machine has been started anew since;
- or the owner is of this start of this host and of this counting of processes, and its number is
  free, or belongs to a process that started at another time, or to one that has ended and was not
  waited for.

Everything else proves nothing: another host, another container, a run without an owner. Such a run
is left alone unless a person names it, or says how old is old enough. A run whose owner is alive is
left alone whatever anybody says.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aivcs.model import Record

if TYPE_CHECKING:
    from aivcs.model import RunOwner, Timestamp

ALIVE = "alive"
"""The owner is there."""
GONE = "gone"
"""The owner is not there any more and cannot come back."""
UNKNOWN = "unknown"
"""Nothing can be proven."""


class Place(Record):
    """Where somebody who judges is; the fields are as those of `RunOwner`."""

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
    """A process that there is under some number.

    Attributes:
        start_time: When it started, in clock ticks since the machine did; None if that cannot be
            seen.
        is_over: Whether it has ended, and is only kept until its parent takes notice.
    """

    __slots__ = ("start_time", "is_over")  # noqa: RUF023 as one reads them
    start_time: int | None
    is_over: bool

    def __init__(self, start_time: int | None, *, is_over: bool = False) -> None:
        """Takes the fields as they are."""
        self._fill(start_time, is_over)


class Verdict(Record):
    """What is known of an owner, or what is to be done with a run, and why.

    Attributes:
        what: The answer.
        reason: Why, as the end of a sentence.
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
        owner: Who is looked for.
        here: Where this is asked.
        process: The process that has the owner's number here and now, or None if none has it.
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
    if owner.start_time != process.start_time:
        return Verdict(GONE, f"its owner, {who}, has ended; another process has its number now")
    if process.is_over:
        return Verdict(GONE, f"its owner, {who}, has ended")
    return Verdict(ALIVE, f"its owner, {who}, is alive")


REAP = "reap"
"""The run is an orphan: to be ended."""
LEAVE = "leave"
"""The run is to be left as it is."""


def judge_run(
    owner: Verdict | None,
    *,
    is_named: bool,
    last_sign: Timestamp | None = None,
    older_than: Timestamp | None = None,
) -> Verdict:
    """Returns whether to `REAP` a run that is RUNNING, or to `LEAVE` it.

    Args:
        owner: What `judge_owner` says, or None for a run without an owner.
        is_named: Whether a person named the run.
        last_sign: When it was last heard of; needed only with `older_than`.
        older_than: What was last heard of before this is old enough, proof or not; None if nothing
            is. A run that is named must be so old too.
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
