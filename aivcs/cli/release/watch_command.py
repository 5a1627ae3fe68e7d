"""Executes the command of `release watch` for a release, and ends it with the watch."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from typing import TYPE_CHECKING, Any, NoReturn

from aivcs.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from aivcs.model.release_entries import LogEntry


class Terminated(BaseException):
    """SIGTERM has come."""


def end_on_sigterm() -> None:
    """Makes SIGTERM raise `Terminated`, so that a command that runs is ended, too."""

    def stop(*_: object) -> NoReturn:
        raise Terminated

    signal.signal(signal.SIGTERM, stop)


def die_of_sigterm() -> NoReturn:
    """Ends this process as SIGTERM would have."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGTERM)
    raise AssertionError


def environment_for(entry: LogEntry, environment: Mapping[str, str], store: str) -> dict[str, str]:
    """Returns the environment of the command: what it needs to know of the release."""
    record: Any = entry.value
    return {
        **environment,
        "AIVCS_STORE": store,
        "AIVCS_RELEASE_NAME": record.name,
        "AIVCS_RELEASE_SPEC": record.spec_digest,
        "AIVCS_RELEASE_SEQ": str(record.seq),
        "AIVCS_RELEASE_LABEL": record.metadata.version_label or "",
        "AIVCS_RELEASE_ACTION": record.action,
        "AIVCS_RELEASE_HASH": entry.hash,
    }


def execute(
    words: Sequence[str],
    environment: Mapping[str, str],
    body: bytes,
    prepare: Callable[[], None] | None,
) -> int:
    """Executes a command and returns its exit code, 128+N after signal N.

    Args:
        words: The command and its arguments; no shell reads them.
        environment: Its environment.
        body: What it gets on standard input.
        prepare: Called in the new process, before it becomes the command.

    Raises:
        UsageError: The command cannot be executed.
        Terminated: SIGTERM came; the command was ended first.
        KeyboardInterrupt: Ctrl-C came; the command has ended.
    """
    # Until the command can be ended, SIGTERM waits: else it would go on without its watch.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})

    def begin() -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        if prepare is not None:
            prepare()

    try:
        child = _start(words, environment, body, begin)
    except BaseException:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        raise
    try:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        code = child.wait()
    except Terminated:
        child.terminate()
        child.wait()
        raise
    except KeyboardInterrupt:
        child.wait()  # the terminal has sent it the same
        raise
    return 128 - code if code < 0 else code


def _start(
    words: Sequence[str], environment: Mapping[str, str], body: bytes, begin: Callable[[], None]
) -> subprocess.Popen[bytes]:
    with tempfile.TemporaryFile() as given:  # not a pipe, which a command need not read
        given.write(body)
        given.seek(0)
        try:
            return subprocess.Popen(
                words,
                env=dict(environment),
                stdin=given,
                preexec_fn=begin,  # noqa: PLW1509 there are no other threads
            )
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise UsageError(f"cannot execute {words[0]!a}: {reason}") from error
        except subprocess.SubprocessError as error:
            raise UsageError(f"cannot execute {words[0]!a}: --state cannot be written") from error
