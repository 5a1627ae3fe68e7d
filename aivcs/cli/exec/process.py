"""Starts the command and reports its status.

With a terminal of its own, the command is a child of a *session leader*, not of this process. Only
then can the terminal stop the command: the system does not stop a process in an orphaned process
group, whose parents are all outside its session.
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
"""The exit codes of `env` and of shells for a command that they cannot execute."""
AIVCS_FAILED = 125
"""The exit code if aivcs itself failed, as of `env`, `timeout` and `nohup`."""


class StartError(Exception):
    """The command could not be executed.

    Attributes:
        exit_code: The exit code.
    """

    def __init__(self, word: str, number: int, *, is_ours: bool = False) -> None:
        """Takes the command's first word, the errno, and whether aivcs itself failed."""
        why = os.strerror(number)
        if is_ours and number == errno.EAGAIN:
            why = "the system has no further process or thread (see ulimit -u)"
        super().__init__(f"cannot execute {word!a}: {why}")
        self.exit_code = _NOT_FOUND if number == errno.ENOENT else _NOT_EXECUTABLE
        if is_ours:
            self.exit_code = AIVCS_FAILED


class Child:
    """The process that is, or will become, the command.

    Attributes:
        pid: Its process number.
        has_session: Whether it has its own terminal, and so its own session and process group.
    """

    def __init__(self, pid: int, gate: "Gate", leader: "SessionLeader | None" = None) -> None:
        """Takes the process, its gate, and its session leader unless it is our own child."""
        self.pid = pid
        self.has_session = leader is not None
        self._gate = gate
        self._leader = leader

    def execute(self) -> int:
        """Lets the process become the command. Returns the errno of a failure, or 0."""
        return self._gate.open()

    def abandon(self) -> None:
        """Ends the process before it becomes the command."""
        self._gate.abandon()
        if self._leader is not None:
            self._leader.dismiss()
        else:
            os.waitpid(self.pid, 0)

    def wait(self) -> int:
        """Returns a status, as `os.waitpid` does, when the command has stopped or ended.

        Other children are reaped as well: as the first process of a container, or after `exec` in a
        script, this process is the parent of processes that nobody else waits for.
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
        """Reaps all children of this process until none is left. For a command that is not one."""
        try:
            while True:
                os.waitpid(-1, 0)
        except ChildProcessError:
            pass

    def send(self, number: int) -> None:
        """Sends a signal to the command, or to its process group if it has a session of its own."""
        try:
            if self.has_session:
                os.killpg(self.pid, number)
            else:
                os.kill(self.pid, number)
        except OSError:
            pass  # it has ended, or belongs to another user now (setuid)

    def dismiss(self) -> None:
        """Ends the session leader, if any, and leaves our terminal alone."""
        if self._leader is not None:
            self._leader.dismiss()


class SessionLeader:
    """The leader of the command's session.

    Attributes:
        status: The pipe on which it reports the command's status.
    """

    def __init__(self, pid: int, status: int, life: int) -> None:
        """Takes the process, the pipe it reports on, and the pipe by which it notices our end."""
        self.status = status
        self._pid = pid
        self._life = life

    def dismiss(self) -> None:
        """Ends it without a change to our terminal, and waits until it has ended."""
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
    """Holds a new process back until everything that records the command is ready."""

    def __init__(self) -> None:
        """Creates a closed gate."""
        self._waits, self._opens = os.pipe()
        self._failed, self._told = os.pipe()

    def enter(self) -> None:
        """Takes the side of the recording process."""
        os.close(self._waits)
        os.close(self._told)

    def open(self) -> int:
        """Opens the gate. Returns the errno if the command could not be executed, or 0."""
        try:
            os.write(self._opens, b".")
        except BrokenPipeError:
            pass  # the process was killed
        os.close(self._opens)
        number = os.read(self._failed, 16)
        os.close(self._failed)
        return int(number or 0)

    def abandon(self) -> None:
        """Closes the gate for good: the process that waits at it ends."""
        os.close(self._opens)
        os.close(self._failed)

    def wait(self) -> None:
        """Waits, in the new process, until the gate opens. Ends the process if it never will."""
        os.close(self._opens)
        if not os.read(self._waits, 1):
            os._exit(_NOT_FOUND)

    def fail(self, number: int) -> None:
        """Reports, from the new process, the errno of a command that cannot be executed."""
        os.write(self._told, b"%d" % number)


def start(
    argv: "list[str]",
    environment: "Mapping[str, str]",
    descriptors: "Mapping[int, int]",
    signals: "Signals",
) -> Child:
    """Starts a child process that executes a command when its gate opens.

    Args:
        argv: The command and its arguments.
        environment: Its environment; its PATH finds the command.
        descriptors: Its 0, 1 and 2, where they are not ours.
        signals: Our signals; the command gets them as we got them.

    Raises:
        OSError: The system has no further process.
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
    """Starts such a process in its own session with its own terminal.

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
        OSError: The system has no further process or thread.
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
                # Our parent takes the end of `tell` for the end of the leader, and opens no gate.
                os.close(tell)
                os.close(life)
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
    # A pipe or a terminal ends when its last descriptor is closed: this process must not hold it.
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
    """Turns this process into the command when the gate opens. On failure reports the errno."""
    gate.wait()
    number = errno.EINVAL
    try:
        for target, source in descriptors.items():
            os.dup2(source, target)
        signals.restore()
        try:
            os.execvpe(argv[0], argv, environment)  # noqa: S606 without a shell on purpose
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
    """Returns the next number, one per line, or None at the end."""
    line = b""
    while not line.endswith(b"\n"):
        byte = os.read(status, 1)
        if not byte:
            return None
        line += byte
    return int(line)


def exit_code(status: int) -> "tuple[int, int]":
    """Returns the exit code that shells give for a status, and its signal or 0."""
    code = os.waitstatus_to_exitcode(status)
    return (128 - code, -code) if code < 0 else (code, 0)
