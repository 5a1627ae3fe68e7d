"""Starts the command, and tells how it fares.

With a terminal of its own the command is not our child but that of a *session leader*: only
so can the terminal stop the command, for the system does not stop a process whose parent is
outside its session and could never make it go on (an orphaned process group).
"""

import _thread
import errno
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from collections.abc import Callable, Mapping
    from typing import NoReturn

    from aivcs.cli.exec.signals import Signals
else:
    import _signal as signal  # without the enumerations, which cost a third of a start

_NOT_FOUND, _NOT_EXECUTABLE = 127, 126
"""What `env` and shells exit with if they cannot execute a command."""
_AIVCS_FAILED = 125
"""What they exit with if it is they who failed."""


class StartError(Exception):
    """The command could not be executed.

    Attributes:
        exit_code: What to exit with.
    """

    def __init__(self, word: str, number: int, *, is_ours: bool = False) -> None:
        """Takes the first word of the command, what the system said, and whether that was to us."""
        why = os.strerror(number)
        if is_ours and number == errno.EAGAIN:
            why = "there is no further process or thread to be had (see ulimit -u)"
        super().__init__(f"cannot execute {word!a}: {why}")
        self.exit_code = _NOT_FOUND if number == errno.ENOENT else _NOT_EXECUTABLE
        if is_ours:
            self.exit_code = _AIVCS_FAILED


class Child:
    """A command that was started, or is about to be.

    Attributes:
        pid: Its process number.
        has_session: Whether it has a terminal, and so a session and a group, of its own.
    """

    def __init__(self, pid: int, gate: "Gate", leader: "SessionLeader | None" = None) -> None:
        """Takes the process, what it waits at, and its leader unless it is our own child."""
        self.pid = pid
        self.has_session = leader is not None
        self._gate = gate
        self._leader = leader

    def execute(self) -> int:
        """Lets the process become the command; returns why it could not (errno), or 0."""
        return self._gate.open()

    def abandon(self) -> None:
        """Ends the process, which has not been let become the command."""
        self._gate.abandon()
        if self._leader is not None:
            self._leader.dismiss()
        else:
            os.waitpid(self.pid, 0)

    def wait(self) -> int:
        """Returns a status, as `os.waitpid` does, when the command was stopped or has ended.

        Whatever else becomes our child is reaped: as the first process of a container, or behind
        `exec` in a script, we get children that nobody else would wait for.
        """
        if self._leader is not None:
            number = _read_number(self._leader.status)
            # If the leader was killed, so was its session.
            return signal.SIGKILL if number is None else number
        while True:
            pid, status = os.waitpid(-1, os.WUNTRACED)
            if pid == self.pid:
                return status

    def reap(self) -> None:
        """Reaps what becomes our child, until there is none; for a command that is not our own."""
        try:
            while True:
                os.waitpid(-1, 0)
        except ChildProcessError:
            pass

    def send(self, number: int) -> None:
        """Sends a signal to the command; with a session of its own, to its process group."""
        try:
            if self.has_session:
                os.killpg(self.pid, number)
            else:
                os.kill(self.pid, number)
        except OSError:
            pass  # it has ended, or is somebody else's by now (setuid)

    def dismiss(self) -> None:
        """Ends the leader, if any: our terminal is what it was, and is to be left alone."""
        if self._leader is not None:
            self._leader.dismiss()


class SessionLeader:
    """The leader of the command's session.

    Attributes:
        status: Where it tells of the command.
    """

    def __init__(self, pid: int, status: int, life: int) -> None:
        """Takes the process, where it tells of the command, and where it notices our end."""
        self.status = status
        self._pid = pid
        self._life = life

    def dismiss(self) -> None:
        """Has it end without a look at our terminal, and returns when it has."""
        try:
            os.write(self._life, b".")
        except BrokenPipeError:
            pass  # it was killed
        os.close(self._life)
        try:
            os.waitpid(self._pid, 0)
        except ChildProcessError:
            pass  # it was reaped with the others


class Gate:
    """What keeps a new process from becoming the command until all that records it is there."""

    def __init__(self) -> None:
        """Makes it shut."""
        self._waits, self._opens = os.pipe()
        self._failed, self._told = os.pipe()

    def enter(self) -> None:
        """Chooses the side of the process that records."""
        os.close(self._waits)
        os.close(self._told)

    def open(self) -> int:
        """Opens it; returns why the command could not be executed (errno), or 0."""
        try:
            os.write(self._opens, b".")
        except BrokenPipeError:
            pass  # the process was killed
        os.close(self._opens)
        number = os.read(self._failed, 16)
        os.close(self._failed)
        return int(number or 0)

    def abandon(self) -> None:
        """Leaves it shut for good: who waits at it ends."""
        os.close(self._opens)
        os.close(self._failed)

    def wait(self) -> None:
        """Returns, in the new process, when it is opened; ends the process if it never will be."""
        os.close(self._opens)
        if not os.read(self._waits, 1):
            os._exit(_NOT_FOUND)

    def fail(self, number: int) -> None:
        """Tells, from the new process, why it cannot become the command."""
        os.write(self._told, b"%d" % number)


def start(
    argv: "list[str]",
    environment: "Mapping[str, str]",
    descriptors: "Mapping[int, int]",
    signals: "Signals",
) -> Child:
    """Starts a process that is our child and, once told to, executes a command.

    Args:
        argv: The command and its arguments.
        environment: Its environment, by which it is searched, too.
        descriptors: What it gets as 0, 1 and 2, where that is not ours.
        signals: Ours, which it gets as they were.

    Raises:
        OSError: There is no further process to be had.
    """
    gate = Gate()
    pid = os.fork()
    if not pid:
        _become(argv, environment, descriptors, signals, gate)
    gate.enter()
    return Child(pid, gate)


def start_session(
    argv: "list[str]",
    environment: "Mapping[str, str]",
    descriptors: "Mapping[int, int]",
    signals: "Signals",
    *,
    slave: int,
    release: "Callable[[], None]",
    kept: int,
) -> Child:
    """Starts such a process in a session of its own with a terminal of its own.

    Args:
        argv: As for `start`.
        environment: As for `start`.
        descriptors: As for `start`.
        signals: As for `start`.
        slave: The command's side of that terminal.
        release: Called in another process if this one ends, even by SIGKILL, before it has
            dismissed that.
        kept: The descriptor that it needs.

    Raises:
        OSError: There is no further process, or thread in it, to be had.
    """
    gate = Gate()
    status, tell = os.pipe()
    life, keep = os.pipe()
    leader = os.fork()
    if not leader:
        try:
            os.close(keep)
            os.close(status)
            os.setsid()
            # Opening makes it the terminal of the session, which has none yet.
            os.close(os.open(os.ttyname(slave), os.O_RDWR))
            child = os.fork()
            if not child:
                os.setpgid(0, 0)
                os.tcsetpgrp(slave, os.getpid())  # SIGTTOU is blocked
                _become(argv, environment, descriptors, signals, gate)
            _lead_session(child, tell, life, release, kept)
        finally:
            os._exit(70)
    gate.enter()
    os.close(tell)
    os.close(life)
    pid = _read_number(status)
    command = Child(pid or 0, gate, SessionLeader(leader, status, keep))
    # There `keep` is open as long as we live.
    if pid is None:  # never to be used: as a group, 0 would be ours
        command.abandon()
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))
    return command


def _lead_session(
    pid: int, tell: int, life: int, release: "Callable[[], None]", kept: int
) -> "NoReturn":
    # A pipe or a terminal ends with the last who has it open: that must not be us.
    low = 0
    for descriptor in sorted((tell, life, kept)):
        os.closerange(low, descriptor)
        low = descriptor + 1
    os.closerange(low, os.sysconf("SC_OPEN_MAX"))

    def outlive() -> None:
        if not os.read(life, 1):
            release()
        os._exit(0)

    _thread.start_new_thread(outlive, ())
    os.write(tell, b"%d\n" % pid)
    while True:
        status = os.waitpid(pid, os.WUNTRACED)[1]
        try:
            os.write(tell, b"%d\n" % status)
        except BrokenPipeError:
            pass
        if not os.WIFSTOPPED(status):
            break
    while True:  # the end of a session's leader would cut its terminal off
        signal.pause()


def _become(
    argv: "list[str]",
    environment: "Mapping[str, str]",
    descriptors: "Mapping[int, int]",
    signals: "Signals",
    gate: Gate,
) -> "NoReturn":
    """Makes this process the command when it may, or tells by number why not, and ends it."""
    gate.wait()
    number = errno.EINVAL
    try:
        for target, source in descriptors.items():
            os.dup2(source, target)
        signals.restore()
        try:
            os.execvpe(argv[0], argv, environment)  # noqa: S606 a shell is what nobody asked for
        except OSError as error:
            if error.errno != errno.ENOEXEC:
                raise
            # A script without its first line, which execvp(3) gives to the shell.
            words = ["sh", _found(argv[0], environment), *argv[1:]]
            os.execve("/bin/sh", words, environment)  # noqa: S606
    except OSError as error:
        number = error.errno or number
    except ValueError:
        number = errno.ENOENT  # an empty word
    finally:
        gate.fail(number)
        os._exit(_NOT_FOUND)


def _found(word: str, environment: "Mapping[str, str]") -> str:
    if "/" in word:
        return word
    for folder in os.get_exec_path(environment):
        path = os.path.join(folder, word)
        if os.access(path, os.X_OK):
            return path
    return word


def _read_number(status: int) -> "int | None":
    """Returns the next number, of which each has a line; None if no more comes."""
    line = b""
    while not line.endswith(b"\n"):
        byte = os.read(status, 1)
        if not byte:
            return None
        line += byte
    return int(line)


def exit_code(status: int) -> "tuple[int, int]":
    """Returns the exit code that shells give for a status, and the signal in it or 0."""
    code = os.waitstatus_to_exitcode(status)
    return (128 - code, -code) if code < 0 else (code, 0)
