"""Handlers of `aivcs release sign`, `verify` and `provenance`."""

from __future__ import annotations

from aivcs.cli.render import output as render
from aivcs.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from aivcs.cli.session.context import Context
    from aivcs.commands.release.audit import Check
    from aivcs.repository import Repository


def sign(
    context: Context,
    name: str,
    seq: str | None,
    to: str | None,
    signing_key: str | None,
    as_json: bool,
) -> None:
    """Prints nothing, or the signature entry with `--json`. On stderr, what was signed by whom."""
    from aivcs.commands.release.audit import sign as sign_release
    from aivcs.config.signers import signer, verifier
    from aivcs.signing.check import TRUSTED

    repo = context.repository()
    home = context.release_home(name.partition("@")[0])
    if home is not None:
        from aivcs.cli.remote.home import acting_at

        with acting_at(context, home, name.partition("@")[0]):
            sign(context, name, seq, to, signing_key, as_json)
        return
    name, number = _entry(repo, name, seq, to)
    mark, signed = sign_release(
        repo,
        name,
        number,
        signer(context.layers, context.environment, signing_key),
        verifier(context.layers, context.environment),
    )
    if as_json:
        context.write(render.json_line(mark.to_json()))
        return
    who = mark.fingerprint
    if signed is not None:
        who = signed.detail if signed.state == TRUSTED else f"{who}, which is not allowed to"
    context.warn(f"{name}: @{mark.signed_seq} is signed with {render.escape(who)}")


def approve(
    context: Context,
    name: str,
    spec: str,
    notes: str | None,
    by: str | None,
    sign: bool,
    signing_key: str | None,
    as_json: bool,
) -> None:
    """Prints the digest of the approved spec. On stderr, who approved it."""
    from aivcs.cli.release.operand import require_bare
    from aivcs.cli.session.git_identity import actor
    from aivcs.config.signers import signer, verifier
    from aivcs.policy.approvals import approve as approve_spec
    from aivcs.signing.check import TRUSTED

    if not sign and signing_key is None:
        raise UsageError("an approval counts only if it is signed; add --sign")
    if "@" in name:
        require_bare(name, "release approve")
    repo = context.repository()
    home = context.release_home(name)
    if home is not None:
        from aivcs.cli.remote.home import acting_at

        with acting_at(context, home, name) as there:
            approve(context, name, there.send_spec(spec), notes, by, sign, signing_key, as_json)
        return
    mark, signed = approve_spec(
        repo,
        name,
        spec,
        by=actor(context) if by is None else by,
        notes=notes,
        signer=signer(context.layers, context.environment, signing_key),
        verifier=verifier(context.layers, context.environment),
    )
    if as_json:
        context.write(render.json_line(mark.to_json()))
        return
    context.write(f"{mark.spec_digest}\n")
    context.flush()
    who = mark.fingerprint
    if signed is not None:
        is_allowed = signed.state == TRUSTED
        who = signed.detail if is_allowed else f"{who}, who is not an allowed signer"
    said = f"{name}: {mark.spec_digest.short} is approved by {render.escape(who)} (@{mark.seq})"
    context.warn(said)


def verify(
    context: Context,
    name: str | None,
    seq: str | None,
    to: str | None,
    repair: bool,
    as_json: bool,
) -> int:
    """Prints the damage in all release logs, or every check of the releases of one name."""
    if name is None:
        if to is not None:
            raise UsageError("--to needs a NAME before it")
        from aivcs.cli.store.handlers import verify_releases

        return verify_releases(context, repair, as_json)
    if repair:
        raise UsageError("--repair is for all releases: leave out NAME, or --repair")
    from aivcs.cli.release.policy_view import write_checks
    from aivcs.commands.release.audit import FAILED, verify as verify_name
    from aivcs.config.signers import erasers, verifier
    from aivcs.policy.select import policy_for

    repo, name = context.releases_of(name)
    name, number = _entry(repo, name, seq, to)
    found = verify_name(
        repo,
        name,
        seqs=None if number is None else {number},
        present=policy_for(name, context.policies),
        verifier=verifier(context.layers, context.environment),
        environment=context.environment,
        erasers=erasers(context.layers, context.environment),
    )
    counts: dict[str, int] = {}

    def counted() -> Iterator[Check]:
        for check in found:
            counts[check.result] = counts.get(check.result, 0) + 1
            yield check

    if as_json:
        for check in counted():
            context.write(render.json_line({"name": name, **check._asdict()}))
    else:
        write_checks(context, counted())
        context.flush()
        said = ", ".join(f"{count} {result}" for result, count in counts.items())
        context.warn(f"{name}: {said}")
    return 14 if counts.get(FAILED) else 0


def provenance(
    context: Context,
    name: str,
    seq: str | None,
    to: str | None,
    builder: str | None,
    as_json: bool,
) -> None:
    """Prints the in-toto statement about a release, on one line."""
    del as_json  # it is JSON in any case; the option only makes errors JSON, too
    from aivcs.commands.release.provenance import provenance as state
    from aivcs.formats.intoto import PROJECT

    if builder is not None and ":" not in builder:
        raise UsageError(f"--builder takes a URI, not {builder[:80]!a}")
    repo, name = context.releases_of(name)
    name, number = _entry(repo, name, seq, to)
    statement = state(repo, name, seq=number, builder=builder or PROJECT)
    context.write(render.json_line(statement))


def _entry(
    repo: Repository, name: str, target: str | None, to: str | None
) -> tuple[str, int | None]:
    """Returns the name and the entry's number that operands name; None without a target."""
    from aivcs.cli.release.operand import split_release
    from aivcs.commands.release.history import find_seq

    name, found = split_release(name, target, to)
    return name, None if found is None else find_seq(repo, name, found)
