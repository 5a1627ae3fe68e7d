"""Signer and allowed signers, from the caller or the user's and the system's configuration."""

from __future__ import annotations

from aivcs.config.files import home
from aivcs.config.layers import policies
from aivcs.errors import UsageError
from aivcs.policy.enforce import PolicyContext
from aivcs.signing.ssh import Signer, Verifier

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aivcs.config.keys import Config

    Layers = Sequence[tuple[str, Config]]
    """Configuration files, strongest first, each with its values."""


def policy_context(
    layers: Layers, environment: Mapping[str, str], keys: Sequence[str], *, sign: bool
) -> PolicyContext:
    """Returns the configured policies, signer and verifier for a release.

    Args:
        layers: The configuration.
        environment: The environment for ssh-keygen, and HOME.
        keys: The keys to sign with; they imply `sign`.
        sign: Whether to sign, by default with the configured key.

    Raises:
        UsageError: There is no key to sign with.
    """
    wanted: list[str | None] = [*dict.fromkeys(keys)] or ([None] if sign else [])
    who = [signer(layers, environment, key) for key in wanted]
    return PolicyContext(
        policies(list(layers)), who, verifier(layers, environment), erasers(layers, environment)
    )


def signer(layers: Layers, environment: Mapping[str, str], key: str | None) -> Signer:
    """Returns the signer with a key, by default the configured one.

    Raises:
        UsageError: There is no key.
    """
    if key == "":
        raise UsageError("the FILE of --signing-key is empty; is a variable unset?")
    key = key or _configured(layers, environment, "signing.key")
    if key is None:
        raise UsageError(
            "there is no key to sign with: give --signing-key FILE, or once for all: "
            "aivcs config set --user signing.key FILE"
        )
    return Signer(key, environment)


def verifier(layers: Layers, environment: Mapping[str, str]) -> Verifier | None:
    """Returns the verifier with the configured allowed signers; None if none are configured."""
    path = _configured(layers, environment, "signing.allowed_signers")
    return Verifier(path, environment) if path else None


def erasers(layers: Layers, environment: Mapping[str, str]) -> Verifier | None:
    """Returns the verifier with the configured allowed erasers; None if none are configured."""
    path = _configured(layers, environment, "signing.allowed_erasers")
    return Verifier(path, environment) if path else None


def require_verifier(layers: Layers, environment: Mapping[str, str]) -> Verifier:
    """Returns the verifier with the configured allowed signers.

    Raises:
        UsageError: No allowed signers are configured.
    """
    found = verifier(layers, environment)
    if found is None:
        raise UsageError(
            "whose signatures count is not said: "
            "aivcs config set --user signing.allowed_signers FILE"
        )
    return found


def _configured(layers: Layers, environment: Mapping[str, str], key: str) -> str | None:
    """The path in a setting, which is never read from the store's own configuration.

    Raises:
        UsageError: The path begins with ~/, and there is no home.
    """
    for where, values in layers:
        if key in values:
            path = str(values[key])
            if path[0] != "~":
                return path
            folder = home(environment)
            if not folder:
                raise UsageError(f"{where}: {key} is {path!a}, but there is no home; set HOME")
            return f"{folder}{path[1:]}"
    return None
