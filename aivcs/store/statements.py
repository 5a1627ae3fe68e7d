"""Signs statements (annotations and erasures), and describes damaged ones."""

from __future__ import annotations

from aivcs.errors import IntegrityError, StorageError
from aivcs.log.statement import signed_text
from aivcs.log.verify_run import DAMAGE
from aivcs.store.finding import Finding

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol, TypeVar

    from aivcs.model.statement import Statement

    S = TypeVar("S", bound=Statement)

    class Signer(Protocol):
        """What signs a text, as `aivcs.signing.ssh.Signer`."""

        def sign(self, text: str, namespace: str) -> str:
            """Returns the armored signature of a text."""
            ...


def signed(statement: S, signer: Signer | None) -> S:
    """Returns a statement with the signature of a signer; without one, as it is.

    Raises:
        BackendError: No signature could be made.
    """
    if signer is None:
        return statement
    return statement.signed_by(signer.sign(signed_text(statement), statement.NAMESPACE))


def problem_of(name: str, error: StorageError, remedy: str) -> Finding:
    """Returns what a verification reports of a statement that could not be read.

    Raises:
        StorageError: The store is away, which says nothing about the statement.
    """
    if error.is_store_away:
        raise error
    if isinstance(error, IntegrityError):
        return Finding(DAMAGE, name, None, str(error).removeprefix(f"{name} "), remedy)
    return Finding(DAMAGE, name, None, f"it cannot be read: {error}", remedy)
