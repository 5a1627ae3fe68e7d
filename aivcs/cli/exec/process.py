"""Starts the command, and tells how it fares.

With a terminal of its own the command is not our child but that of a *monitor*, which leads the
terminal's session: only so can the command be stopped by the terminal, for the system does not
stop what has no parent in its session to make it go on (an orphaned process group).
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


class StartError(Exception):
    """The command could not be executed.

    Attributes:
        exit_code: What to exit with.
    """

    def __init__(self, word: str, number: int) -> None:
        """Takes the first word of the command, and what the system said."""
        super().__init__(f"cannot execute {word!a}: {os.strerror(number)}")
        self.exit_code = _NOT_FOUND if number == errno.ENOENT else _NOT_EXECUTABLE


class Command:
    """A command that was started.

    Attributes:
        pid: Its process number.
        has_session: Whether it has a terminal, and so a session and a group, of its own.
    """

    def __init__(self, pid: int, monitor: "Monitor | None" = None) -> None:
        """Takes the process, and its monitor unless it is our own child."""
        self.pid = pid
        self.has_session = monitor is not None
        self._monitor = monitor

    def wait(self) -> int:
        """Returns a status, as `os.waitpid` does, when the command was stopped or has ended."""
        if self._monitor is None:
            return os.waitpid(self.pid, os.WUNTRACED)[1]
        number = _read_number(self._monitor.status)
        # If the monitor was killed, so was its session.
        return signal.SIGKILL if number is None else number

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
        """Ends the monitor, if any: our terminal is what it was, and is to be left alone."""
        if self._monitor is not None:
            self._monitor.dismiss()


class Monitor:
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
        os.waitpid(self._pid, 0)


def start(
    argv: "list[str]",
    environment: "Mapping[str, str]",
    descriptors: "Mapping[int, int]",
    signals: "Signals",
) -> Command:
    """Starts a command as our child.

    Args:
        argv: The command and its arguments.
        environment: Its environment, by which it is searched, too.
        descriptors: What it gets as 0, 1 and 2, where that is not ours.
        signals: Ours, which it gets as they were.

    Raises:
        StartError: It cannot be executed.
    """
    failed, told = os.pipe()
    pid = os.fork()
    if not pid:
        _become(argv, environment, descriptors, signals, told)
    os.close(told)
    try:
        _require_started(argv, failed)
    except StartError:
        os.waitpid(pid, 0)
        raise
    return Command(pid)


def start_session(
    argv: "list[str]",
    environment: "Mapping[str, str]",
    descriptors: "Mapping[int, int]",
    signals: "Signals",
    *,
    slave: int,
    release: "Callable[[], None]",
    kept: int,
) -> Command:
    """Starts a command in a session of its own with a terminal of its own.

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
        StartError: It cannot be executed.
    """
    failed, told = os.pipe()
    status, tell = os.pipe()
    life, keep = os.pipe()
    monitor = os.fork()
    if not monitor:
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
                _become(argv, environment, descriptors, signals, told)
            _monitor(child, tell, life, release, kept)
        finally:
            os._exit(70)
    os.close(tell)
    os.close(told)
    os.close(life)
    pid = _read_number(status)
    try:
        _require_started(argv, failed)
        if pid is None:  # never 0, which as a group would be ours
            raise StartError(argv[0], errno.EAGAIN)
    except StartError:
        os.close(keep)
        os.waitpid(monitor, 0)
        raise
    return Command(pid, Monitor(monitor, status, keep))  # where `keep` is open as long as we live


def _monitor(
    pid: int, tell: int, life: int, release: "Callable[[], None]", kept: int
) -> "NoReturn":
    os.write(tell, b"%d\n" % pid)
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
    told: int,
) -> "NoReturn":
    """Makes this process the command, or tells by number why not, and ends it."""
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
        os.write(told, b"%d" % number)
        os._exit(_NOT_FOUND)


def _found(word: str, environment: "Mapping[str, str]") -> str:
    if "/" in word:
        return word
    for folder in os.get_exec_path(environment):
        path = os.path.join(folder, word)
        if os.access(path, os.X_OK):
            return path
    return word


def _require_started(argv: "list[str]", failed: int) -> None:
    number = os.read(failed, 16)
    os.close(failed)
    if number:
        raise StartError(argv[0], int(number))


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
