"""What the system says of a process: who it is, and whether it is there.

Read from /proc, as Linux has it. Where there is none, or where it shows the processes of another
container, everything that could prove something is None. Nothing here decides anything.
"""

import os

from aivcs.codec.sha256 import hex_digest
from aivcs.errors import UsageError
from aivcs.model import RunOwner

TYPE_CHECKING = False
if TYPE_CHECKING:
    from aivcs.trace.liveness import Place, Process

_SALT = b"aivcs owner of a run\n"


def owner_of(pid: int) -> RunOwner:
    """Returns a process of this system as the owner of a run.

    Raises:
        UsageError: There is no such process.
    """
    stat = _read(f"/proc/{pid}/stat") if 0 < pid < 1 << 31 and _is_proc_ours() else ""
    start_time, is_over = parse_stat(stat) if stat else (None, False)
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
    """Returns where this process is."""
    from aivcs.trace.liveness import Place

    return Place(
        host=_host(),
        machine_id=_machine_id(),
        boot_id=_boot_id(),
        pid_namespace=_pid_namespace(),
    )


def find_process(pid: int) -> "Process | None":
    """Returns the process that has a number here and now, or None if none has it."""
    from aivcs.trace.liveness import Process

    stat = _read(f"/proc/{pid}/stat") if _is_proc_ours() else ""
    if stat:
        start_time, is_over = parse_stat(stat)
        return Process(start_time, is_over=is_over)
    # The processes of others may be hidden (the option hidepid of /proc): they exist all the same.
    return Process(None) if _exists(pid) else None


def parse_stat(text: str) -> "tuple[int, bool]":
    """Returns from /proc/PID/stat when a process started, in clock ticks, and whether it is over.

    A process whose first thread has ended shows as a zombie though others go on (proc(5)): it is
    over only when it is the last one.
    """
    # Its name may hold spaces and parentheses; behind the last one come fields 3, 4, 5 …
    fields = text.rpartition(")")[2].split()
    return int(fields[19]), fields[0] in {"Z", "X", "x"} and int(fields[17]) <= 1


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
    """Whether /proc counts processes as this one does; in a container it may be the host's."""
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
    """A text that only this machine has, from the one of machine-id(5), which is nobody's business.

    Half a digest long, so that nobody takes it for that of a blob.
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
