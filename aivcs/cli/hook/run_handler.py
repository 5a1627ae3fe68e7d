"""Handler of `aivcs hook run`: returns at once; the import goes on in a process of its own.

A program waits for its hook, takes an exit code other than 0 for a verdict, and its output for
advice. So the answer is always nothing, whatever happens, and what happened is in the file that
`aivcs hook status` reads.
"""

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from aivcs.cli.session.context import Context

_MAX_INPUT = 1 << 20
"""Bytes that a program may send, at most."""
_MAX_WAIT_S = 5.0
"""Seconds to wait for what the program sends."""


def run_(context: "Context", program: str) -> int:
    """Reads what the program sends, and leaves the rest to a detached process."""
    data = _read(0)
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return 0
    # From here on nothing may reach the program: not our end, not our output.
    code = 1
    try:
        os.setsid()
        if os.fork():
            os._exit(0)
        _detach()
        from aivcs.cli.hook.capture import capture_quietly

        capture_quietly(context, program, data)
        code = 0
    finally:
        os._exit(code)
    return code


def is_hook(arguments: "list[str]") -> bool:
    """Tells whether a command line is that of `hook run`, options before it included."""
    at = 0
    while at < len(arguments) and arguments[at][:1] == "-":
        has_value = arguments[at] in {"-C", "--store", "--lock-timeout", "--color"}
        at += 2 if has_value else 1
    return arguments[at : at + 2] == ["hook", "run"] and not {"-h", "--help"} & set(arguments)


def _detach() -> None:
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nowhere, descriptor)
    os.closerange(3, 256)
    try:
        os.nice(10)
    except OSError:
        pass


def _read(descriptor: int) -> bytes:
    from select import select
    from time import monotonic

    data = b""
    deadline = monotonic() + _MAX_WAIT_S
    while len(data) < _MAX_INPUT:
        left = deadline - monotonic()
        try:
            if left <= 0 or not select([descriptor], [], [], left)[0]:
                break
            chunk = os.read(descriptor, 1 << 16)
        except OSError:  # it is closed: that nothing was sent is kept for `hook status`
            break
        if not chunk:
            break
        data += chunk
    return data
