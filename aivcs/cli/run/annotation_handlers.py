"""Handlers of the commands that add remarks to runs."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from aivcs.cli.session.context import Context


def annotate(
    context: Context,
    run: str,
    kind: str | None,
    payload: list[str],
    text: str | None,
    tags: list[str],
    by: str | None,
    sign: bool,
    signing_key: str | None,
) -> None:
    """Prints the digest of the annotation."""
    from aivcs.cli.session.git_identity import actor
    from aivcs.commands.run.annotate import annotate

    run = context.run_operand(run)
    repo = context.repository()
    signer = None
    if sign or signing_key is not None:
        from aivcs.config.signers import signer as find_signer

        signer = find_signer(context.config_layers(repo), context.environment, signing_key)
    digest = annotate(
        repo,
        run,
        kind=kind,
        words=payload,
        text=text,
        tags=tags,
        by=actor(context) if by is None else by,
        signer=signer,
    )
    context.write(f"{digest}\n")
