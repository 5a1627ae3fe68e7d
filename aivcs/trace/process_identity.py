"""Reads from /proc whether a process exists, and its identity.

On systems without /proc, or where it shows the processes of another container, every field that
could prove something is None. `aivcs.trace.liveness` judges by these fields.
"""

import os

from aivcs.codec.sha256 import hex_digest
from aivcs.errors import UsageError
from aivcs.model.run import RunOwner

TYPE_CHECKING = False
if TYPE_CHECKING:
    from aivcs.trace.liveness import Place, Process

_SALT = b"aivcs owner of a run\n"


def owner_of(pid: int) -> RunOwner:
    """Returns the identity of a process of this system, as the owner of a run.

    Raises:
        UsageError: There is no such process.
    """
    stat = _read(f"/proc/{pid}/stat") if 0 < pid < 1 << 31 and _is_proc_ours() else ""
    start_time, is_over = _state(stat) if stat else (None, False)
    if is_over or (not stat and not _exists(pid)):
        raise UsageError(f"there is no process {pid} that could own a run; in a shell, give $$")
    return RunOwner(
        host=_host(),
        machine_id=_machine_id(),
        boot_id=_boot_id(),
        pid_namespace=_pid_namespace(),
        pid=pid,
        start_time=start_time,
    )


def here() -> "Place":
    """Returns the host, boot and pid namespace of this process."""
    from aivcs.trace.liveness import Place

    return Place(
        host=_host(),
        machine_id=_machine_id(),
        boot_id=_boot_id(),
        pid_namespace=_pid_namespace(),
    )


def find_process(pid: int) -> "Process | None":
    """Returns the process with a pid here and now, or None."""
    from aivcs.trace.liveness import Process

    stat = _read(f"/proc/{pid}/stat") if _is_proc_ours() else ""
    if stat:
        start_time, is_over = _state(stat)
        return Process(start_time, is_over=is_over)
    # The processes of other users may be hidden (option hidepid of /proc) but exist.
    return Process(None) if _exists(pid) else None


def parse_stat(text: str) -> "tuple[int, bool]":
    """Returns start time in clock ticks, and whether the process is over, from /proc/PID/stat.

    A process whose first thread has ended shows as a zombie although other threads run (proc(5)):
    it is over only if no other thread is left.
    """
    # The name may hold spaces and parentheses; after the last parenthesis come fields 3, 4, 5 …
    fields = text.rpartition(")")[2].split()
    return int(fields[19]), fields[0] in {"Z", "X", "x"} and int(fields[17]) <= 1


def _state(stat: str) -> "tuple[int | None, bool]":
    """The result of `parse_stat` in ticks since boot outside time namespaces; None if unknown."""
    start_time, is_over = parse_stat(stat)
    offset = _boot_offset()
    return None if offset is None else start_time - offset, is_over


def _boot_offset() -> "int | None":
    """Clock ticks that this time namespace adds to the time since boot; None if unknown.

    /proc gives start times in the time namespace of the reader (time_namespaces(7)).
    """
    try:
        with open("/proc/self/timens_offsets", "rb", buffering=0) as file:
            lines = file.read(4096).decode(errors="replace").splitlines()
        for line in lines:
            clock, seconds, nanoseconds = line.split()
            if clock == "boottime":
                ticks = os.sysconf("SC_CLK_TCK")
                return int(seconds) * ticks + int(nanoseconds) * ticks // 1_000_000_000
    except FileNotFoundError:
        return 0  # a kernel without such namespaces
    except (OSError, ValueError):
        pass
    return None


def _exists(pid: int) -> bool:
    if not 0 < pid < 1 << 31:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass  # somebody else's
    return True


def _is_proc_ours() -> bool:
    """Whether /proc shows this pid namespace; in a container it may show the host's."""
    try:
        return os.readlink("/proc/self") == str(os.getpid())
    except OSError:
        return False


def _host() -> str:
    return os.uname().nodename or "localhost"


def _pid_namespace() -> "str | None":
    try:
        return os.readlink("/proc/self/ns/pid") if _is_proc_ours() else None
    except OSError:
        return None


def _boot_id() -> "str | None":
    return _read("/proc/sys/kernel/random/boot_id").strip() or None


def _machine_id() -> "str | None":
    """An id of this machine: a hash of machine-id(5), which must not be exposed itself.

    Half as long as a digest, so that it is never taken for a reference to a blob.
    """
    text = _read("/etc/machine-id").strip()
    if len(text) != 32:
        return None
    return hex_digest(_SALT + text.encode())[:32]


def _read(path: str) -> str:
    try:
        with open(path, "rb", buffering=0) as file:
            return file.read(4096).decode(errors="replace")
    except OSError:
        return ""
