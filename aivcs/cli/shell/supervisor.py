"""The background process of a script's shells: its folder, its pipes, its start and its end.

Two processes: the *server* reads the pipe `in` as its standard input and stores events. Its parent,
the *supervisor*, waits. If the server is killed, the supervisor continues to read, so that no shell
hangs while it writes to a full pipe. When the script has ended, it removes the folder. Neither
process is a job of the shell, which may `wait`, nor in its process group, which Ctrl-C ends, and
neither keeps any of its files open.
"""

from __future__ import annotations

import errno
import fcntl
import os
import select
import shutil
import signal
import stat
from time import monotonic, sleep
from typing import TYPE_CHECKING, NoReturn

from aivcs.errors import BackendError, LockTimeoutError, OutcomeUnknownError
from aivcs.trace.process_identity import find_process

if TYPE_CHECKING:
    from collections.abc import Callable

    from aivcs.commands.run.shell_session import ShellSession

_PIPE_BYTES = 1 << 20
"""The size of the pipe, in bytes, so that shells need not wait while events are stored."""
_READ_BYTES = 1 << 16
_START_TIMEOUT_S = 30.0
"""Seconds to wait for another shell of the script to start the process."""
_POLL_S = 0.2
"""Seconds between two checks of processes that cannot be waited for."""


def start(folder: str, first: int, session: Callable[[], ShellSession]) -> None:
    """Starts the background process of a script. Returns when it listens, or listened already.

    Args:
        folder: Its private folder, whose parent is made private, too, if it is not there.
        first: The process number of the script's first shell.
        session: Makes what serves the shells.

    Raises:
        BackendError: The folder cannot be made, or somebody else could enter it.
        OutcomeUnknownError: The process was there and has died.
        LockTimeoutError: Another shell is starting it and does not get on.
    """
    try:
        lock = _claim(folder)
        if lock is None:
            return
        guard = _guard(folder)
        pipe = _open_pipe(f"{folder}/in")
        ready, done = os.pipe()
    except OSError as error:
        raise BackendError(f"cannot use {folder}: {error.strerror}") from error
    if os.fork():
        os.close(done)
        if not os.read(ready, 1):
            raise BackendError(f"the background process could not be started in {folder}")
        return
    try:
        _detach(pipe, lock, done, guard)
        _supervise(folder, first, session, lock, done)
    finally:
        os._exit(70)


def check_apart(check: Callable[[], object]) -> None:
    """Calls a function in a child process; returns when it has ended there, or raises its error.

    The clients of remote stores do not survive a fork. So a process that will fork opens no store
    itself, not even to see whether it can.
    """
    import pickle

    ready, done = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.close(ready)
            told = b""
            try:
                check()
            except BaseException as error:  # noqa: BLE001 raised by the parent
                told = pickle.dumps(error)
            with os.fdopen(done, "wb") as pipe:
                pipe.write(told)
        finally:
            os._exit(0)
    os.close(done)
    with os.fdopen(ready, "rb") as pipe:
        told = pipe.read()
    os.waitpid(child, 0)
    if told:
        raised = pickle.loads(told)  # noqa: S301 written by our own child
        assert isinstance(raised, BaseException)
        raise raised


def fetch(folder: str, name: str) -> bytes:
    """Returns the content of a file in the folder, and removes the file.

    Raises:
        BackendError: The file cannot be read.
    """
    path = f"{folder}/{name}"
    try:
        with open(path, "rb") as file:
            data = file.read()
        os.unlink(path)
    except OSError as error:
        raise BackendError(f"cannot read {path}: {error.strerror}") from error
    return data


def answer(folder: str, shell: str, text: bytes) -> None:
    """Writes to the pipe of a shell, if the shell still waits there."""
    try:
        pipe = os.open(f"{folder}/answers.{shell}", os.O_WRONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    except OSError:
        return  # the shell has ended, or given up
    try:
        os.write(pipe, text)
    except OSError:
        pass
    finally:
        os.close(pipe)


def _claim(folder: str) -> int | None:
    """Creates the folder and locks its file `pid`; None if a process serves there already."""
    above = os.path.dirname(os.path.dirname(folder))
    if not os.path.isdir(above):
        raise BackendError(f"{above} is not a folder; make it, or set TMPDIR to one")
    deadline = monotonic() + _START_TIMEOUT_S
    while True:
        try:
            _make_private(os.path.dirname(folder))
            _make_private(folder)
            lock = os.open(f"{folder}/pid", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        except FileNotFoundError:
            if monotonic() > deadline:
                raise
            sleep(0.01)  # another session of this user has just ended and tidied up
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if os.fstat(lock).st_size:
                os.close(lock)
                return None
        else:
            if os.fstat(lock).st_size:
                raise OutcomeUnknownError(
                    "the background process of aivcs_log has died; events handed over since "
                    "the last aivcs_flush may be missing from: aivcs run events"
                )
            if os.fstat(lock).st_nlink:
                _sweep(os.path.dirname(folder))
                return lock
        os.close(lock)
        if monotonic() > deadline:
            raise LockTimeoutError(f"{folder}/pid", _START_TIMEOUT_S)
        sleep(0.01)


def _make_private(folder: str) -> None:
    try:
        os.mkdir(folder, 0o700)
    except FileExistsError:
        found = os.lstat(folder)
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
            raise BackendError(
                f"{folder} is not a private folder of yours; remove it, or set TMPDIR"
            ) from None


def _sweep(base: str) -> None:
    """Removes the folders of sessions whose processes were all killed."""
    for name in os.listdir(base):
        first = name.partition("-")[0]
        if not first.isdigit() or find_process(int(first)) is not None:
            continue
        try:
            lock = os.open(f"{base}/{name}/pid", os.O_RDWR | os.O_NOFOLLOW)
        except OSError:
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(f"{base}/{name}", ignore_errors=True)
        except BlockingIOError:
            pass  # it serves a shell that has outlived its script's first one
        finally:
            os.close(lock)


def _guard(folder: str) -> int:
    """Locks the folder, so that systemd-tmpfiles(8) does not clean it up."""
    guard = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(guard, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        pass  # it is just looking
    return guard


def _open_pipe(path: str) -> int:
    try:
        os.mkfifo(path, 0o600)
    except FileExistsError:
        pass  # its creator ended before using it
    # Open for writing, too: it is the shells' end that counts, not that of their descriptors.
    pipe = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_NOFOLLOW)
    if not stat.S_ISFIFO(os.fstat(pipe).st_mode):
        raise OSError(errno.EEXIST, os.strerror(errno.EEXIST))
    try:
        fcntl.fcntl(pipe, getattr(fcntl, "F_SETPIPE_SZ", 1031), _PIPE_BYTES)
    except OSError:
        pass  # a smaller one does, too
    return pipe


def _detach(pipe: int, *kept: int) -> None:
    """Leaves the shell's job, terminal, folder and files; makes the pipe standard input."""
    os.setsid()
    os.dup2(pipe, 0)
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 1)
    if not os.environ.get("AIVCS_DEBUG"):
        os.dup2(nowhere, 2)
    low = 3
    for descriptor in sorted(kept):
        os.closerange(low, descriptor)
        low = descriptor + 1
    os.closerange(low, os.sysconf("SC_OPEN_MAX"))
    os.chdir("/")
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


def _supervise(
    folder: str, first: int, session: Callable[[], ShellSession], lock: int, done: int
) -> NoReturn:
    """Starts the server, and removes the folder after the script has ended."""
    # Until the server is ready for it: it may be told to end before it has begun.
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    server = os.fork()
    if not server:
        os.close(done)
        try:
            serve(folder, first, session())
        except BaseException:  # noqa: BLE001 nothing of the parent's code may run after the fork
            if os.environ.get("AIVCS_DEBUG"):
                import traceback

                traceback.print_exc()
            os._exit(70)
        os._exit(0)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
    watch = _Watch(first)
    os.write(lock, b"%d\n" % server)
    os.write(done, b"+")
    os.close(done)
    os.waitpid(server, 0)
    while os.path.exists(folder):
        is_over = watch.is_over()
        arrived = watch.wait(_POLL_S if is_over else None)
        if arrived:
            _read(0)
        elif is_over:
            _remove(folder)
    os._exit(0)


def serve(folder: str, first: int, session: ShellSession) -> None:
    """Serves until every shell has ended, or until SIGTERM; stores all received events.

    Args:
        folder: The private folder; removed unless a signal is the reason.
        first: The process number of the script's first shell.
        session: Takes what they say.
    """
    watch = _Watch(first)
    wake, woken = os.pipe()
    os.set_blocking(woken, False)
    signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
    stopped: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: stopped.append(number))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
    watch.add(wake)
    look = 0.0
    while not stopped:
        is_over = watch.is_over()
        remaining = session.remaining
        if is_over:
            remaining = look if remaining is None else min(look, remaining)
            look = _POLL_S
        if not watch.wait(remaining):
            if session.remaining == 0:
                session.store()
            if is_over and not _any_alive(session.shells):
                try:
                    os.unlink(f"{folder}/in")  # a shell that opens it now fails at once
                except FileNotFoundError:
                    pass  # the folder was removed; the received events are in memory
                break
        elif data := _read(0):
            session.receive(data)
            if session.remaining == 0:
                session.store()
    while data := _read(0):
        session.receive(data)
    session.store()
    if not stopped:
        _remove(folder)


def _any_alive(shells: set[str]) -> bool:
    gone = set()
    for shell in shells:
        process = find_process(int(shell)) if shell.isdigit() else None
        if process is not None and not process.is_over:
            break
        gone.add(shell)
    shells -= gone
    return bool(shells)


class _Watch:
    """Waits for data in the pipe and for the end of the first shell."""

    def __init__(self, first: int) -> None:
        self._first = first
        self._poll = select.poll()
        self._poll.register(0, select.POLLIN)
        self._over = False
        self._handle = -1
        try:
            self._handle = os.pidfd_open(first)
        except AttributeError:
            pass  # another system: it is looked at from time to time
        except OSError as error:
            self._over = error.errno == errno.ESRCH
        else:
            self._poll.register(self._handle, select.POLLIN)

    def add(self, descriptor: int) -> None:
        self._poll.register(descriptor, select.POLLIN)

    def is_over(self) -> bool:
        """Whether the first shell has ended."""
        if not self._over and self._handle < 0:
            process = find_process(self._first)
            self._over = process is None or process.is_over
        return self._over

    def wait(self, seconds: float | None) -> bool:
        """Waits for data or another event. Returns whether the pipe has data."""
        if self._handle < 0 and not self._over:
            seconds = _POLL_S if seconds is None else min(seconds, _POLL_S)
        ready = [d for d, _ in self._poll.poll(None if seconds is None else seconds * 1000)]
        if self._handle in ready:
            self._over = True
            self._poll.unregister(self._handle)
            os.close(self._handle)
            self._handle = -1
        return 0 in ready


def _read(pipe: int) -> bytes:
    try:
        return os.read(pipe, _READ_BYTES)
    except BlockingIOError:
        return b""


def _remove(folder: str) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    try:
        os.rmdir(os.path.dirname(folder))
    except OSError:
        pass  # other sessions are there
