"""Calls the command without starting an interpreter for it: a server that has loaded it all forks.

What a call sees is what a new process would have: its arguments, environment, working directory,
umask and the three standard descriptors, with streams made anew over them, and modules in the state
in which an import leaves them, as the server itself executes nothing. What is not proven this way
is what happens until `aivcs.cli.main.run` is called: which modules load, the locale, the signals
and descriptors that a process begins with. Tests of those start real processes.
"""

import os
import selectors
import signal
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

_READY = b"ready"
_EARLY = ("LC_", "LANG", "PYTHON", "LD_", "MALLOC", "COVERAGE")
"""How variables begin that count before a program has any say."""


class Warm:
    """The client's side of the server; any thread may call."""

    def __init__(self, command, environment):
        """Starts a server for a command (its file, or `-m` and a module), and waits for it."""
        self.early = {name: value for name, value in environment.items() if is_early(name)}
        self._lock = threading.Lock()
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, __file__, str(theirs.fileno()), *command[-1:]],
                pass_fds=[theirs.fileno()], env=environment, cwd="/", stdin=subprocess.DEVNULL,
            )  # fmt: skip
        assert self._socket.recv(16) == _READY

    def close(self):
        self._socket.close()
        self._process.wait(10)

    def serves(self, environment, stdout, stderr, options):
        """Tells whether this can stand in for a process; not where a terminal is involved."""
        early = {name: value for name, value in environment.items() if is_early(name)}
        plain = {subprocess.PIPE, subprocess.DEVNULL, subprocess.STDOUT}
        return early == self.early and {stdout, stderr} <= plain and not set(options) - {"input"}

    def __call__(self, arguments, *, cwd, env, stdout, stderr, timeout, input=None):  # noqa: A002
        """Runs a command as `subprocess.run` does; returns exit code and what was written."""
        ours, theirs, opened = {}, [], []  # type: ignore[var-annotated]
        for number, wanted in enumerate(
            (None if input is None else subprocess.PIPE, stdout, stderr)
        ):
            if wanted == subprocess.PIPE:
                reading, writing = os.pipe()
                keep, give = (writing, reading) if number == 0 else (reading, writing)
                ours[number] = keep
                opened.append(give)
            elif wanted == subprocess.STDOUT:
                give = theirs[1]
            elif wanted is None:
                give = number
            elif wanted == subprocess.DEVNULL:
                give = os.open(os.devnull, os.O_RDWR)
                opened.append(give)
            else:
                give = wanted if isinstance(wanted, int) else wanted.fileno()
            theirs.append(give)
        status, status_theirs = os.pipe()
        opened.append(status_theirs)
        mask = os.umask(0o077)
        os.umask(mask)
        request = repr((list(map(os.fsencode, arguments)), os.fsencode(cwd), mask,
                        [(os.fsencode(n), os.fsencode(v)) for n, v in env.items()]))  # fmt: skip
        # Of any length: by a file, as a packet has bounds.
        body = os.memfd_create("request")
        os.write(body, request.encode())
        opened.append(body)
        try:
            with self._lock:
                socket.send_fds(self._socket, [b"run"], [*theirs, status_theirs, body])
        finally:
            for fd in opened:
                os.close(fd)
        return _communicate(arguments, ours, status, input or b"", timeout)


def is_early(name):
    return name.startswith(_EARLY)


def _communicate(arguments, ours, status, data, timeout):
    """Feeds the command, collects what it writes, and waits for its end."""
    found = {1: b"", 2: b"", "status": b""}
    given = memoryview(data)
    with selectors.DefaultSelector() as selector:
        if 0 in ours:
            os.set_blocking(ours[0], False)
            selector.register(ours[0], selectors.EVENT_WRITE, 0)
        for number in {1, 2} & ours.keys():
            selector.register(ours[number], selectors.EVENT_READ, number)
        selector.register(status, selectors.EVENT_READ, "status")
        pid = None
        while selector.get_map():
            ready = selector.select(timeout)
            if not ready:
                if pid is not None:
                    os.kill(pid, signal.SIGKILL)
                raise subprocess.TimeoutExpired(arguments, timeout)
            for key, _ in ready:
                if key.data == 0:
                    try:
                        given = given[os.write(key.fd, given[:65536]) :] if given else given
                    except BrokenPipeError:
                        given = given[:0]
                    is_over = not given
                else:
                    read = os.read(key.fd, 65536)
                    found[key.data] += read
                    is_over = not read
                    if key.data == "status" and pid is None and found["status"]:
                        pid = int(found["status"].split()[0])
                if is_over:
                    selector.unregister(key.fd)
                    os.close(key.fd)
    _, code = found["status"].split()
    return int(code), found[1], found[2]


# The server's side.


def main(fd, target):
    """Loads the command, then forks for each request until the client is gone."""
    requests = socket.socket(fileno=fd)
    code = _load(target)
    waiting: dict[Any, Any] = {}
    wake_r, wake_w = os.pipe()
    os.set_blocking(wake_r, False)
    os.set_blocking(wake_w, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake_w)
    requests.send(_READY)
    requests.setblocking(False)
    with selectors.DefaultSelector() as selector:
        selector.register(requests, selectors.EVENT_READ)
        selector.register(wake_r, selectors.EVENT_READ)
        while True:
            selector.select()
            with suppress(BlockingIOError):
                os.read(wake_r, 4096)
            _reap(waiting)
            try:
                word, fds, _, _ = socket.recv_fds(requests, 16, 5)
            except BlockingIOError:
                continue
            if not word:
                return
            *standard, status, body = fds
            pid = os.fork()
            if pid == 0:
                _become(target, code, standard, body)
            for fd in (*standard, body):
                os.close(fd)
            os.write(status, b"%d " % pid)
            waiting[pid] = status


def _reap(waiting):
    while waiting:
        pid, how = os.waitpid(-1, os.WNOHANG)
        if not pid:
            return
        status = waiting.pop(pid, None)
        if status is not None:
            os.write(status, b"%d" % os.waitstatus_to_exitcode(how))
            os.close(status)


def _load(target):
    """Imports all of the command; returns the code of its file."""
    import gc
    import importlib
    import pkgutil

    import aivcs

    for name in (
        "bisect", "concurrent.futures", "contextlib", "dataclasses", "datetime", "difflib", "enum",
        "functools", "hashlib", "json", "pathlib", "platformdirs", "queue", "random", "re",
        "rich.cells", "rich.console", "rich.progress", "shutil", "sqlite3", "subprocess",
        "tempfile", "threading", "tomli_w", "tomllib", "traceback", "typer", "typing", "uuid",
    ):  # fmt: skip
        importlib.import_module(name)
    # What a fork takes depends on how much memory this has: only what many calls use.
    left_out = {
        "aivcs.__main__", "aivcs.aio", "aivcs.commands.run.post_traces", "aivcs.fakes",
        "aivcs.testing", "aivcs.tui", "aivcs.web.server",
    }  # fmt: skip

    def load(package):
        # Not by walk_packages, which imports the packages that are left out, too.
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            if module.name not in left_out:
                loaded = importlib.import_module(module.name)
                if module.ispkg:
                    load(loaded)

    load(aivcs)
    gc.collect()
    gc.freeze()
    source = (
        "from aivcs.cli.main import run\nrun()\n" if target == "aivcs" else Path(target).read_text()
    )
    return compile(source, target, "exec")


def _become(target, code, standard, body):
    """Becomes the command that was asked for; does not return."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    size = os.fstat(body).st_size
    arguments, folder, mask, environment = _parsed(os.pread(body, size, 0))
    for number, fd in enumerate(standard):
        os.dup2(fd, number)
    os.closerange(3, 1024)
    os.chdir(folder)
    os.umask(mask)
    os.environ.clear()
    os.environb.update(environment)
    sys.argv = [target, *map(os.fsdecode, arguments)]
    errors = sys.stdout.errors
    for name, number, way in (("stdin", 0, "r"), ("stdout", 1, "w"), ("stderr", 2, "w")):
        stream = open(
            number, way, encoding="utf-8", closefd=False,
            errors="backslashreplace" if number == 2 else errors,
            buffering=1 if number == 2 or os.isatty(number) else -1,
        )  # fmt: skip
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
    module = type(sys)("__main__")
    sys.modules["__main__"] = module
    try:
        exec(code, vars(module))
        os._exit(0)
    except SystemExit as error:
        os._exit(error.code if isinstance(error.code, int) else 1)
    except BaseException:  # noqa: BLE001 as the interpreter ends
        import traceback

        traceback.print_exc()
        os._exit(1)


def _parsed(data):
    from ast import literal_eval

    return literal_eval(data.decode())


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
