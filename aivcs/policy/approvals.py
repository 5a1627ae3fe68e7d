"""Approvals of specs in release logs: makes one, finds them, and checks their signatures."""

from __future__ import annotations

from aivcs.errors import BackendError
from aivcs.log.approval import signed_text, text_of
from aivcs.log.release_changes import plan_approval
from aivcs.model.record import check_text
from aivcs.model.release import check_release_name
from aivcs.model.release_entries import APPROVAL_NAMESPACE, Approval, Block, Signature
from aivcs.model.timestamp import Timestamp
from aivcs.policy.proposal import CheckedApproval
from aivcs.signing.check import TRUSTED, UNCHECKED, SignatureCheck

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from aivcs.model.release_entries import LogEntry
    from aivcs.repository import Repository
    from aivcs.signing.ssh import Signer, Verifier

NO_SIGNERS = "signing.allowed_signers is not set"


def approve(
    repo: Repository,
    name: str,
    spec: str,
    *,
    by: str,
    notes: str | None = None,
    signer: Signer,
    verifier: Verifier | None = None,
) -> tuple[Approval, SignatureCheck | None]:
    """Approves a spec for a name; returns the entry, and the signer if that can be told.

    Args:
        repo: The repository.
        name: The agent's name; it need not have a release.
        spec: The spec, as for `Repository.resolve_spec`; it must be in the store, with its parts.
        by: Who approves.
        notes: A remark.
        signer: The key.
        verifier: Finds the signer; None leaves the signer unknown.

    Raises:
        InvalidNameError: Name or actor break the rules.
        NotFoundError: The spec, or a part of it, is not in the store.
        IntegrityError: The spec, or a part of it, is damaged.
        UsageError: The allowed signers cannot be read.
        ConflictError: The name belongs to another store.
        BackendError: No signature could be made.
    """
    check_release_name(name)
    check_text("actor (by)", by)  # before a key is touched in vain
    repo.require_store_of(name)
    if verifier is not None:
        verifier.require_readable()
    digest = repo.resolve_spec(spec)
    repo.require_spec(digest)
    now = Timestamp.now()
    store = repo.identity
    text = signed_text(name, digest, by=by, notes=notes, store=store, created_at=now)
    signature = signer.sign(text, APPROVAL_NAMESPACE)
    signed = verifier.check(text, signature, APPROVAL_NAMESPACE, None) if verifier else None
    change = repo.releases.change(
        name,
        lambda view: plan_approval(
            view, digest, by=by, notes=notes, store=store, created_at=now, signature=signature
        ),
    )
    entry = change.entries[0]
    assert isinstance(entry, Approval)
    return entry, signed


def approvals_of(spec_digest: str, log: Iterable[LogEntry], before: int) -> list[Approval]:
    """Returns the approvals of a spec in the entries before a seq, newest first.

    A block takes back those before it, also if the spec was unblocked since.

    Args:
        spec_digest: The spec.
        log: The entries, in any order.
        before: The seq.
    """
    found: list[Approval] = []
    blocked = 0
    for entry in log:
        value = entry.value
        if isinstance(value, Signature) or value.spec_digest != spec_digest or value.seq >= before:
            continue
        if isinstance(value, Approval):
            found.append(value)
        elif isinstance(value, Block) and value.is_block:
            blocked = max(blocked, value.seq)
    return sorted((a for a in found if a.seq > blocked), key=lambda approval: -approval.seq)


def check_approvals(
    approvals: Iterable[Approval],
    verifier: Verifier | None,
    moment: Timestamp | None,
    store: str | None = None,
) -> Sequence[CheckedApproval]:
    """Returns approvals with what is known of their signatures.

    Of several by one key only the newest whose signature is good is returned, and those that were
    checked before it: a forged one does not hide a good one.

    Args:
        approvals: The approvals, newest first.
        verifier: Knows the allowed signers; None knows nobody.
        moment: The time at which a signer must have been allowed; None is now.
        store: The id of the store in which they must have been given; None is any, as for a copy.

    Raises:
        UsageError: The allowed signers cannot be read.
    """
    found: list[CheckedApproval] = []
    good: set[str] = set()
    for approval in approvals:
        if approval.fingerprint in good:
            continue
        signed = _check(approval, verifier, moment)
        is_foreign = store is not None and approval.store != store
        if signed.state == TRUSTED and not is_foreign:
            good.add(approval.fingerprint)
        found.append(CheckedApproval(approval, signed, is_foreign))
    return found


def _check(
    approval: Approval, verifier: Verifier | None, moment: Timestamp | None
) -> SignatureCheck:
    if verifier is None:
        return SignatureCheck(UNCHECKED, NO_SIGNERS)
    text = text_of(approval)
    try:
        return verifier.check(text, approval.signature, APPROVAL_NAMESPACE, moment)
    except BackendError as error:
        return SignatureCheck(UNCHECKED, str(error))
