"""The declarations of `aivcs blob`."""

from typing import Annotated

from typer import Argument, Option

from aivcs.cli.parse.shared_options import Json, Repair, calls, noun

app = noun()


@app.command("put")
@calls("blob.handlers:put")
def blob_put(
    files: Annotated[
        list[str] | None,
        Argument(metavar="FILE...", help="The files to store; - is standard input."),
    ] = None,
    sums: Annotated[
        bool, Option("--sums", help="Print lines for sha256sum -c: DIGEST, two spaces, FILE.")
    ] = False,
    stdin_paths: Annotated[
        bool, Option("--stdin-paths", help="Read the files' names from standard input.")
    ] = False,
    null: Annotated[
        bool, Option("-z", "--null", help="With --stdin-paths: names end in NUL, not newline.")
    ] = False,
) -> None:
    """Store files, and print the digest of each once it is durable."""


@app.command("get")
@calls("blob.handlers:get")
def blob_get(
    digest: Annotated[
        str, Argument(metavar="DIGEST", help="A digest, or a unique prefix of 4 or more.")
    ],
    output: Annotated[
        str | None,
        Option("-o", "--output", metavar="FILE", help="Write to this file, whole or not at all."),
    ] = None,
) -> None:
    """Print the bytes of a blob, verified."""


@app.command("has")
@calls("blob.handlers:has")
def blob_has(
    digests: Annotated[
        list[str], Argument(metavar="DIGEST...", help="Digests, or unique prefixes.")
    ],
    as_json: Json = False,
) -> None:
    """Exit 0 if all of some blobs are stored, 1 if not."""


@app.command("rm")
@calls("blob.handlers:rm")
def blob_rm(
    digests: Annotated[list[str], Argument(metavar="DIGEST...", help="Whole digests.")],
    force: Annotated[
        bool,
        Option(
            "--force",
            help="Remove what is referred to or pinned, with its pin; ignore what is absent.",
        ),
    ] = False,
) -> None:
    """Remove blobs that nothing refers to."""


@app.command("pin")
@calls("blob.handlers:pin")
def blob_pin(
    digests: Annotated[
        list[str],
        Argument(metavar="SPEC...", help="Digests, unique prefixes, or NAME@current and the like."),
    ],
) -> None:
    """Keep blobs, though nothing may refer to them."""


@app.command("unpin")
@calls("blob.handlers:unpin")
def blob_unpin(
    digests: Annotated[
        list[str],
        Argument(metavar="SPEC...", help="Digests, unique prefixes, or NAME@current and the like."),
    ],
) -> None:
    """Take pins away; that a blob is not pinned is no error."""


@app.command("ls")
@calls("blob.handlers:ls")
def blob_ls(
    prefix: Annotated[
        str, Argument(metavar="PREFIX", help="Only digests that begin with this.")
    ] = "",
    as_json: Json = False,
) -> None:
    """List digests, in order."""


@app.command("verify")
@calls("store.handlers:verify_blobs")
def blob_verify(repair: Repair = False, as_json: Json = False) -> None:
    """Read all blobs and print what is damaged (exit 14), or nothing."""
