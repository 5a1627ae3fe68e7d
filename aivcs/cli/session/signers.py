"""Who signs, and whose signatures count: from the command line, the user's file or the system's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aivcs.errors import UsageError
from aivcs.policy.enforce import Gate, GuardedReleases
from aivcs.signing.ssh import Signer, Verifier

if TYPE_CHECKING:
    from aivcs.cli.session.context import Context
    from aivcs.repository import Repository


def guard(
    context: Context, repo: Repository, signing_key: str | None, *, sign: bool
) -> GuardedReleases:
    """Returns the registry behind the policies that are configured, and with who signs.

    Args:
        context: The call.
        repo: The repository that it opened.
        signing_key: The key to sign with; naming one is asking for a signature.
        sign: Whether to sign, if need be with the key that is configured.

    Raises:
        UsageError: There is no key to sign with.
    """
    who = signer(context, repo, signing_key) if sign or signing_key is not None else None
    return GuardedReleases(repo, Gate(context.policies, who, verifier(context, repo)))


def signer(context: Context, repo: Repository, key: str | None) -> Signer:
    """Returns who signs with a key, or with the one that is configured.

    Raises:
        UsageError: There is none.
    """
    if key == "":
        raise UsageError("the FILE of --signing-key is empty; is a variable unset?")
    key = key or _configured(context, repo, "signing.key")
    if key is None:
        raise UsageError(
            "there is no key to sign with: give --signing-key FILE, or once for all: "
            "aivcs config set --user signing.key FILE"
        )
    return Signer(key, context.environment)


def verifier(context: Context, repo: Repository) -> Verifier | None:
    """Returns who knows whose signatures count; None where nobody said it."""
    path = _configured(context, repo, "signing.allowed_signers")
    return Verifier(path, context.environment) if path else None


def require_verifier(context: Context, repo: Repository) -> Verifier:
    """Returns who knows whose signatures count.

    Raises:
        UsageError: Nobody said it.
    """
    found = verifier(context, repo)
    if found is None:
        raise UsageError(
            "whose signatures count is not said: "
            "aivcs config set --user signing.allowed_signers FILE"
        )
    return found


def _configured(context: Context, repo: Repository, key: str) -> str | None:
    """The path that configuration names, which never is the store's own."""
    for _, values in context.config_layers(repo):
        if key in values:
            path = str(values[key])
            return f"{context.environment.get('HOME', '')}{path[1:]}" if path[0] == "~" else path
    return None
