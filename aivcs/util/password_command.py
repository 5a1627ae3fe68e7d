"""Asks a command for a password."""

from __future__ import annotations

import os
import shlex
import subprocess

from aivcs.errors import BackendError, UsageError


def read_password(command: str, url: str, seconds: float) -> str:
    """Returns the first line that a command prints.

    The command is split into words as a shell would split it, and executed without a shell. It
    finds the store's URL, without a password, in AIVCS_REMOTE_URL. What it prints on standard error
    is seen.

    Args:
        command: The command.
        url: The URL of the store, without a password.
        seconds: The time that the command may take.

    Raises:
        UsageError: The command cannot be split into words.
        BackendError: The command failed, took too long, or printed no password.
    """
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise UsageError(f"remote.password_command cannot be read: {error}") from error
    if not words:
        raise UsageError("remote.password_command is empty")
    what = f"the command of remote.password_command, {words[0]!a},"
    try:
        done = subprocess.run(
            words,
            env={**os.environ, "AIVCS_REMOTE_URL": url},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise BackendError(f"{what} gave no password in {seconds:g} s") from error
    except OSError as error:
        raise BackendError(f"{what} cannot be executed: {error.strerror}") from error
    if done.returncode:
        raise BackendError(f"{what} failed with exit code {done.returncode}")
    line = done.stdout.partition(b"\n")[0].removesuffix(b"\r")
    if not line:
        raise BackendError(f"{what} printed no password")
    try:
        return line.decode()
    except UnicodeDecodeError as error:
        raise BackendError(f"{what} printed no valid UTF-8") from error
