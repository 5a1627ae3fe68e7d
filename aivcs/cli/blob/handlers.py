"""`aivcs blob` at the terminal."""

import os

from aivcs.commands.blob import blob
from aivcs.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from aivcs.cli.session.context import Context


def put(context: "Context", files: "list[str]", sums: bool, stdin_paths: bool, null: bool) -> None:
    """Prints the digest of each file as soon as it is stored."""
    if stdin_paths == bool(files):
        raise UsageError(
            "give FILE… to store, or - for standard input, or --stdin-paths for a list of files"
        )
    if null and not stdin_paths:
        raise UsageError("-z goes with --stdin-paths")
    repo = context.repository()
    stdin = context.stdin()
    paths: Iterable[str] = files
    if stdin_paths:
        paths = blob.read_paths(stdin, b"\0" if null else b"\n")
    for digest, path in blob.put(repo, paths, stdin):
        context.write(_sum_line(digest, path) if sums else f"{digest}\n")


def get(context: "Context", digest: str, output: "str | None") -> None:
    """Prints the bytes of a blob, or writes them to a file."""
    repo = context.repository()
    if output is not None and output != "-":
        if not output:
            raise UsageError("the FILE of -o is empty; is a variable unset?")
        blob.read_to_file(repo, digest, output)
        return
    for chunk in blob.read(repo, digest):
        context.write(chunk)


def has(context: "Context", digests: "list[str]", as_json: bool) -> int:
    """Answers by the exit code: 0 if all are there, 1 if not."""
    answers = blob.has(context.repository(), digests)
    if not as_json:
        # To the end, so that every digest is checked for being one.
        return int(sum(not present for _, present in answers) > 0)
    from aivcs.cli.render.output import json_line

    missing = False
    for digest, present in answers:
        missing = missing or not present
        context.write(json_line({"digest": digest, "present": present}))
    return int(missing)


def rm(context: "Context", digests: "list[str]", force: bool) -> None:
    """Removes blobs, and prints nothing."""
    blob.remove(context.repository(), digests, force=force)


def pin(context: "Context", digests: "list[str]") -> None:
    """Pins blobs, and prints nothing."""
    blob.pin(context.repository(), digests)


def unpin(context: "Context", digests: "list[str]") -> None:
    """Takes pins away, and prints nothing."""
    blob.unpin(context.repository(), digests)


def ls(context: "Context", prefix: str, as_json: bool) -> None:
    """Prints digests, a line each."""
    for digest in blob.list_(context.repository(), prefix):
        context.write(f'{{"digest":"{digest}"}}\n' if as_json else f"{digest}\n")


def _sum_line(digest: str, path: str) -> bytes:
    """A line as sha256sum writes it: names with a newline or backslash are escaped and marked."""
    name = os.fsencode(path)  # the name's own bytes, whatever the locale made of them
    escaped = name.replace(b"\\", b"\\\\").replace(b"\n", b"\\n").replace(b"\r", b"\\r")
    mark = b"" if escaped == name else b"\\"
    return b"".join((mark, digest.encode(), b"  ", escaped, b"\n"))
