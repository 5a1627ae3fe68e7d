"""Decides whether a release may be deployed here: by its log, and by the deployer's own rules.

A store's own configuration is not asked: whoever can write to the store could change it. The
deployer's policy is the system's, the allowed signers are the user's or the system's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from aivcs.commands.release.audit import FAILED, verify
from aivcs.errors import ConflictError, IntegrityError
from aivcs.policy.rules.signature import RULE as SIGNATURE
from aivcs.policy.select import Policy, policy_for

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from aivcs.commands.release.audit import Check
    from aivcs.policy.select import Table
    from aivcs.repository import Repository
    from aivcs.signing.ssh import Verifier


class Terms(NamedTuple):
    """The conditions under which releases are deployed here.

    Attributes:
        policies: File name and policy table of each configuration file of the deployer.
        verifier: Knows the signers whom the deployer allows; None allows nobody.
        environment: The environment for ssh-keygen.
        requires_signature: Whether each release needs a signature, whatever the policies say.
        erasers: Knows whom the deployer allows to erase; None allows nobody.
    """

    policies: Sequence[tuple[str, Table]]
    verifier: Verifier | None
    environment: Mapping[str, str]
    requires_signature: bool = False
    erasers: Verifier | None = None

    def policy(self, name: str) -> Policy | None:
        """Returns the deployer's policy for a name.

        Raises:
            UsageError: A policy is not understood.
        """
        found = policy_for(name, self.policies)
        if not self.requires_signature:
            return found
        return Policy({**(found.rules if found else {}), SIGNATURE.name: True})


def vet(repo: Repository, name: str, seqs: Collection[int], terms: Terms) -> dict[int, list[Check]]:
    """Returns the failed checks of releases by seq; an empty list means: it may be deployed.

    Args:
        repo: The repository.
        name: The agent's name.
        seqs: The releases.
        terms: The conditions.

    Raises:
        IntegrityError: The log is damaged, or does not follow the rules of logs.
        ReleaseNotFoundError: The name has no such release.
        UsageError: A policy, or the allowed signers, cannot be read.
    """
    failed: dict[int, list[Check]] = {seq: [] for seq in seqs}
    for check in verify(
        repo,
        name,
        seqs=seqs,
        own=terms.policy(name),
        verifier=terms.verifier,
        environment=terms.environment,
        erasers=terms.erasers,
    ):
        if check.result != FAILED:
            continue
        if check.check in {"chain", "stack"}:
            where = f"line {check.seq}: " if check.seq is not None else ""
            raise IntegrityError.of(f"the log of {name} is wrong: {where}{check.detail}", name)
        assert check.seq is not None
        failed[check.seq].append(check)
    return failed


def objection(checks: Sequence[Check]) -> str:
    """Returns what failed, in words."""
    return "; ".join(f"{check.check}: {check.detail}" for check in checks)


def require_deployable(repo: Repository, name: str, seq: int, terms: Terms) -> None:
    """Requires that a release may be deployed.

    Raises:
        ConflictError: A check failed.
        IntegrityError: The log is damaged.
        UsageError: A policy, or the allowed signers, cannot be read.
    """
    checks = vet(repo, name, [seq], terms)[seq]
    if checks:
        raise ConflictError(
            f"{name}@{seq} may not be deployed here, and nothing was changed: {objection(checks)}. "
            f"All checks: aivcs release verify {name} @{seq}"
        )
