"""Handlers of `aivcs blob`: each calls its command and prints the result."""

import os

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
    from aivcs.commands.blob.put import put

    repo = context.repository()
    stdin = context.stdin()
    paths: Iterable[str] = files
    if stdin_paths:
        from aivcs.commands.blob.input_files import read_paths

        paths = read_paths(stdin, b"\0" if null else b"\n")
    for digest, path in put(repo, paths, stdin):
        context.write(_sum_line(digest, path) if sums else f"{digest}\n")


def get(context: "Context", digest: str, output: "str | None") -> None:
    """Prints the bytes of a blob, or writes them to a file."""
    from aivcs.commands.blob.get import get, get_to_file

    repo = context.repository()
    if output is not None and output != "-":
        if not output:
            raise UsageError("the FILE of -o is empty; is a variable unset?")
        get_to_file(repo, digest, output)
        return
    for chunk in get(repo, digest):
        context.write(chunk)


def has(context: "Context", digests: "list[str]", as_json: bool) -> int:
    """Prints nothing without `--json`. Exit code 0: all blobs are stored; 1: one is missing."""
    from aivcs.commands.blob.has import has

    answers = has(context.repository(), digests)
    if not as_json:
        # To the end, so that every digest is checked for being one.
        return int(sum(not present for _, present in answers) > 0)
    from aivcs.cli.render.output import json_line

    missing = False
    for digest, present in answers:
        missing = missing or not present
        context.write(json_line({"digest": digest, "present": present}))
    return int(missing)


def rm(
    context: "Context",
    digests: "list[str]",
    reason: "str | None",
    by: "str | None",
    sign: bool,
    signing_key: "str | None",
    force: bool,
) -> None:
    """Removes blobs and prints nothing; with a reason, prints the digest of each record."""
    from aivcs.commands.blob.rm import erase, rm

    repo = context.repository()
    if reason is None:
        if by is not None or sign or signing_key is not None:
            raise UsageError("--by and --sign go with --reason, which makes a record")
        rm(repo, digests, force=force)
        return
    from aivcs.cli.run.erasure_handlers import signer_of
    from aivcs.cli.run.erasure_view import write_records
    from aivcs.cli.session.git_identity import actor
    from aivcs.commands.erasing import ErasureRequest

    signer = signer_of(context, repo, signing_key, sign=sign)
    request = ErasureRequest(actor(context) if by is None else by, reason, signer)
    write_records(context, erase(repo, digests, request, force=force), as_json=False)


def pin(context: "Context", digests: "list[str]") -> None:
    """Pins blobs. Prints nothing."""
    from aivcs.commands.blob.pin import pin

    pin(context.repository(), digests)


def unpin(context: "Context", digests: "list[str]") -> None:
    """Removes pins. Prints nothing."""
    from aivcs.commands.blob.unpin import unpin

    unpin(context.repository(), digests)


def ls(context: "Context", prefix: str, long: bool, as_json: bool) -> None:
    """Prints digests, one per line, or one blob per line with its size, age, kind and referrer."""
    if long:
        _ls_long(context, prefix, as_json=as_json)
        return
    from aivcs.commands.blob.ls import ls

    for digest in ls(context.repository(), prefix):
        context.write(f'{{"digest":"{digest}"}}\n' if as_json else f"{digest}\n")


def _ls_long(context: "Context", prefix: str, *, as_json: bool) -> None:
    from aivcs.cli.blob import view
    from aivcs.cli.render import output as render
    from aivcs.commands.blob.stored_blobs import list_blobs

    found = list_blobs(context.repository(), prefix)
    if as_json:
        for item in found:
            context.write(render.json_line(view.as_json(item)))
    else:
        render.table(context, view.COLUMNS, map(view.row, found))


def _sum_line(digest: str, path: str) -> bytes:
    """A line as sha256sum writes it: names with a newline or backslash are escaped and marked."""
    name = os.fsencode(path)  # the name's own bytes, whatever the locale made of them
    escaped = name.replace(b"\\", b"\\\\").replace(b"\n", b"\\n").replace(b"\r", b"\\r")
    mark = b"" if escaped == name else b"\\"
    return b"".join((mark, digest.encode(), b"  ", escaped, b"\n"))
