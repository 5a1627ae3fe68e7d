"""Handlers of `aivcs bundle`."""

from __future__ import annotations

import os

from aivcs.cli.render import output as render
from aivcs.errors import UsageError
from aivcs.present.words import count

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from aivcs.cli.session.context import Context
    from aivcs.model.digest import ContentDigest
    from aivcs.repository import Repository


def create(
    context: Context,
    file: str,
    runs: list[str],
    limit: int | None,
    releases: list[str],
    sign: bool,
    signing_key: str | None,
    as_json: bool,
    **filters: Any,
) -> None:
    """Prints the digest of the heads of the bundle."""
    from aivcs.cli.remote.handlers import selected
    from aivcs.cli.render.progress import Bar
    from aivcs.commands.bundle.create import create

    _require_name(file)
    repo = context.repository()
    chosen = selected(context, repo, runs, limit, filters)
    for name in releases:
        repo.releases.head(name)  # it must be there
    if chosen is None and releases:
        chosen = []
    with Bar(context, "bundling", lambda: _measure(repo) if chosen is None else 1) as bar:
        written = create(
            repo,
            os.path.abspath(file),
            runs=chosen,
            releases=releases,
            sign=_signer(context, signing_key, sign=sign),
            progress=bar.advance,
        )
    for digest in written.absent[:5]:
        context.warn(f"aivcs: warning: blob {digest} is declared, but is not in this store")
    if as_json:
        fields = {"heads": written.heads, "logs": written.logs, "blobs": written.blobs}
        context.write(render.json_line(fields))
    else:
        context.write(f"{written.heads}\n")
        context.flush()
        context.warn(
            f"{render.escape(file)}: {count(written.logs, 'log')}, {count(written.blobs, 'blob')}"
        )


def verify(context: Context, file: str, head: str | None, signed: bool, as_json: bool) -> int:
    """Prints the damage in a bundle. Exit code 14 if there is any."""
    from aivcs.cli.render.progress import Bar
    from aivcs.commands.bundle.verify import verify
    from aivcs.config.signers import require_verifier

    _require_name(file)
    verifier = None
    if signed:
        verifier = require_verifier(context.config_layers(None), context.environment)
    bundle, _ = context.open_other(f"bundle://{os.path.abspath(file)}")
    checked = {"blobs": 0, "runs": 0, "releases": 0}
    damaged = 0
    with Bar(context, "verifying", lambda: bundle.store.measure(frozenset(checked))) as bar:

        def progress(part: str, size: int) -> None:
            checked[part] += 1
            bar.advance(size)

        for finding in verify(bundle, progress, verifier=verifier, head=head):
            damaged += finding.severity == "damage"
            bar.clear()
            if as_json:
                context.write(render.json_line(finding.to_json()))
            else:
                context.write(render.finding_line(finding))
    context.flush()
    if not as_json:
        read = ", ".join(count(n, part.removesuffix("s")) for part, n in checked.items())
        context.warn(f"read {read}: {f'{damaged} damaged' if damaged else 'no damage found'}")
    return 14 if damaged else 0


def _require_name(file: str) -> None:
    if not file:
        raise UsageError("FILE is empty; is a variable unset?")


def _measure(repo: Repository) -> int:
    return repo.store.measure(frozenset({"blobs", "runs", "releases"}))


def _signer(
    context: Context, signing_key: str | None, *, sign: bool
) -> Callable[[ContentDigest], str] | None:
    if not sign and signing_key is None:
        return None
    from aivcs.config.signers import signer
    from aivcs.signing.ssh import HEAD

    found = signer(context.layers, context.environment, signing_key)
    return lambda digest: found.sign(digest, HEAD)
