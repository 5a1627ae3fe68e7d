"""The one way to promote or roll back, with or without a policy: view, plan, judge, sign, append.

    with releases.view(name) as view:            # head, live, blocks: one read
        change = plan_promotion(view, spec, …)   # pure
    judge.judge(change)                          # pure; raises PolicyError, or records `forced`
    releases.append(name, change.entries, if_head=change.if_head)

Nothing is locked while a release is judged or signed. If the log has grown in between, the change
is planned and judged again. Without a policy and a signer, plan and append are one step, and the
judge is not loaded. The command line and `Repository` both use this module.
"""

from aivcs import errors
from aivcs.errors import ConflictError, UsageError
from aivcs.log.release_changes import plan_promotion, plan_rollback
from aivcs.model.release import Evidence, ReleaseMetadata, check_release_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from aivcs.log.release_changes import ReleaseChange, ReleaseView
    from aivcs.model.release import ReleaseRecord
    from aivcs.policy.judge import Judge
    from aivcs.policy.proposal import Verdict
    from aivcs.policy.select import Table
    from aivcs.repository import Repository
    from aivcs.signing.ssh import Signer, Verifier

    Plan = Callable[[ReleaseView], ReleaseChange]

ATTEMPTS = 10
"""Attempts to plan and append a change before giving up on a log that keeps growing."""


class PolicyContext:
    """The policies, signer and verifier for a release.

    Attributes:
        policies: File name and policy table of each configuration file that has one, strongest
            first.
        signers: Who signs; empty if nobody does.
        verifier: The verifier of signatures, or None.
        erasers: Knows who must have signed the erasures in a run that is evidence; None lets
            anybody have erased.
    """

    __slots__ = ("erasers", "policies", "signers", "verifier")

    def __init__(
        self,
        policies: "Sequence[tuple[str, Table]]" = (),
        signers: "Sequence[Signer]" = (),
        verifier: "Verifier | None" = None,
        erasers: "Verifier | None" = None,
    ) -> None:
        """Takes the fields as they are."""
        self.erasers = erasers
        self.policies = policies
        self.signers = signers
        self.verifier = verifier


class Outcome:
    """A change, made or planned, and its verdicts.

    Attributes:
        change: The change.
        verdicts: The verdict of each rule.
        is_forced: Whether the change breaks rules by force.
        is_refused: Whether the rules refuse the change, which only a dry run tolerates.
        signed_by: The allowed signers who signed the change, or an empty string.
        unproven: The runs given as evidence that have redacted lines, where nobody says who may
            erase.
    """

    __slots__ = ("change", "is_forced", "is_refused", "signed_by", "unproven", "verdicts")

    def __init__(self, change: "ReleaseChange") -> None:
        """Takes a change without verdicts."""
        self.change = change
        self.verdicts: list[Verdict] = []
        self.is_forced = self.is_refused = False
        self.signed_by = ""
        self.unproven: Sequence[str] = ()

    @property
    def release(self) -> "ReleaseRecord":
        """The release that is live, or would be."""
        return self.change.release

    @property
    def before(self) -> "ReleaseRecord | None":
        """The release that was live just before, or None."""
        return self.change.before


def promote(
    repo: "Repository",
    name: str,
    spec: str,
    *,
    by: str,
    label: "str | None" = None,
    notes: "str | None" = None,
    expect: "str | int | None" = None,
    evidence: "Iterable[str]" = (),
    move_label: bool = False,
    allow_missing_spec: bool = False,
    force: bool = False,
    dry_run: bool = False,
    context: "PolicyContext | None" = None,
) -> Outcome:
    """Makes a spec live, if the policies allow it.

    Args:
        repo: Where.
        name: The agent's name.
        spec: The spec, as for `Repository.resolve_spec`.
        by: The actor.
        label: A name for the release.
        notes: The reason.
        expect: The release that must be live, as for `Repository.resolve_expectation`.
        evidence: Runs that support the release, as for `Repository.resolve_run`; all must have
            ended.
        move_label: Whether the label may be that of another spec. If a policy judges labels, the
            policy alone decides.
        allow_missing_spec: Whether the spec and its parts may be missing from the store.
        force: Whether to break rules, but never a block; then notes must give the reason. Recorded
            only if a rule was broken.
        dry_run: Whether to change nothing; then a broken rule is not an error.
        context: The policies, signer and verifier, or None.

    Raises:
        UsageError: A reason is missing, or a policy is not valid.
        InvalidNameError: Name or label break the rules.
        NotFoundError: The spec, or a part of it, is not in the store.
        IntegrityError: The spec, or a part of it, is damaged.
        RunNotFoundError: An evidence run does not exist.
        InvalidRunStateError: An evidence run has not ended.
        PolicyError: A rule is not met.
        ConflictError: The expected release is not live, the spec is blocked, the label is another
            spec's, the log kept growing, or the name belongs to another store.
        BackendError: No signature could be made.
    """
    check_release_name(name)
    repo.require_store_of(name)
    if force and not (notes or "").strip():
        raise UsageError("--force needs --notes, which are recorded")
    metadata = ReleaseMetadata(by, version_label=label, notes=notes)
    with repo.hold():
        judge = _judge(repo, name, context, force=force)
        digest = repo.resolve_spec(spec, allow_missing=True)
        if not allow_missing_spec:
            repo.require_spec(digest)
        expected = None if expect is None else repo.resolve_expectation(expect)
        runs, unproven = _evidence(repo, evidence, judge) if evidence else ((), ())

        keeps_label = not move_label and (judge is None or not judge.judges_labels)

        def plan(view: "ReleaseView") -> "ReleaseChange":
            if keeps_label and label is not None:
                _require_free_label(view, digest, label)
            return plan_promotion(view, digest, metadata, expect=expected, evidence=runs)

        if judge is None and not dry_run:
            outcome = Outcome(repo.releases.change(name, plan))
        else:
            outcome = _apply(repo, name, plan, judge, dry_run=dry_run)
        outcome.unproven = unproven
        return outcome


def rollback(
    repo: "Repository",
    name: str,
    *,
    by: str,
    to: "str | int | None" = None,
    reason: "str | None" = None,
    expect: "str | int | None" = None,
    block: bool = False,
    allow_missing_spec: bool = False,
    force: bool = False,
    dry_run: bool = False,
    context: "PolicyContext | None" = None,
) -> Outcome:
    """Makes an earlier release live again, if the policies allow it.

    The evidence of the spec's newest promotion counts.

    Args:
        repo: Where.
        name: The agent's name.
        by: The actor.
        to: The target, as for `Repository.resolve_target`; None is the previous release.
        reason: The reason.
        expect: The release that must be live, as for `Repository.resolve_expectation`.
        block: Whether to block the spec that was live; requires a reason.
        allow_missing_spec: Whether the spec and its parts may be missing from the store.
        force: Whether to break rules, but never a block; requires a reason.
        dry_run: Whether to change nothing; then a broken rule is not an error.
        context: The policies, signer and verifier, or None.

    Raises:
        UsageError: A reason is missing, or a policy is not valid.
        ReleaseNotFoundError: The name has no releases, or not the target.
        NoPreviousReleaseError: No release is below the live one.
        NotFoundError: The spec, or a part of it, is not in the store.
        IntegrityError: The spec, or a part of it, is damaged.
        PolicyError: A rule is not met.
        ConflictError: The expected release is not live, the target is blocked, the log kept
            growing, or the name belongs to another store.
        BackendError: No signature could be made.
    """
    check_release_name(name)
    repo.require_store_of(name)
    if (block or force) and not (reason or "").strip():
        raise UsageError(f"{'--block' if block else '--force'} needs a --reason, which is recorded")
    metadata = ReleaseMetadata(by, notes=reason)
    with repo.hold():
        judge = _judge(repo, name, context, force=force)
        target = None if to is None else repo.resolve_target(name, to)
        expected = None if expect is None else repo.resolve_expectation(expect)

        def plan(view: "ReleaseView") -> "ReleaseChange":
            return plan_rollback(view, target, metadata, expect=expected, block=block)

        if judge is None and allow_missing_spec and not dry_run:
            return Outcome(repo.releases.change(name, plan))
        return _apply(
            repo, name, plan, judge, dry_run=dry_run, requires_spec=not allow_missing_spec
        )


def _apply(
    repo: "Repository",
    name: str,
    plan: "Plan",
    judge: "Judge | None",
    *,
    dry_run: bool,
    requires_spec: bool = False,
) -> Outcome:
    """Plans a change on a view, judges it, and appends it if the log has not grown since."""
    conflict: ConflictError | None = None
    change: ReleaseChange | None = None
    for _ in range(ATTEMPTS):
        with repo.releases.view(name) as view:
            if conflict and change and view.head == change.if_head:
                raise conflict  # with something else than the log: it would come again
            outcome = Outcome(plan(view))
            if judge is not None:
                judge.look(view, outcome.change)
        if requires_spec:
            repo.require_spec(outcome.release.spec_digest)
        if judge is not None:
            judge.judge(outcome)
        if dry_run:
            return outcome
        if judge is not None:
            judge.settle(outcome)
        change = outcome.change
        try:
            repo.releases.append(name, change.entries, if_head=change.if_head)
        except ConflictError as error:
            # A new signature needs the holder of the key, so do not retry.
            if judge is not None and judge.is_signing:
                raise
            conflict = error
            continue
        return outcome
    raise ConflictError(
        f"{name}: the log changed {ATTEMPTS} times while the release was judged; nothing was "
        "changed. Try again"
    ) from conflict


def _require_free_label(view: "ReleaseView", digest: str, label: str) -> None:
    """Requires that the newest release with a label has the same spec."""
    for record in view.releases():
        if record.metadata.version_label == label:
            if record.spec_digest != digest:
                raise ConflictError(
                    f"{view.name}: the label {label} is that of {record.spec_digest.short} "
                    f"(@{record.seq}); choose another, or say --move-label"
                )
            return


def _judge(
    repo: "Repository", name: str, context: "PolicyContext | None", *, force: bool
) -> "Judge | None":
    """Returns the judge, or None, without loading it, if there is no policy and no signer."""
    if context is None:
        return None
    from aivcs.policy.judge import Judge

    return Judge(repo, name, context, force=force)


def _evidence(
    repo: "Repository", runs: "Iterable[str]", judge: "Judge | None"
) -> "tuple[tuple[Evidence, ...], Sequence[str]]":
    """The evidence runs with the heads of their logs, which are final, and the unproven ones."""
    if judge is None:
        from aivcs.policy.evidence import RunReader

        read = RunReader(repo)
    else:
        read = judge.read
    found: dict[str, Evidence] = {}
    unproven = []
    for text in runs:
        run_id = repo.resolve_run(text)
        record, head, *_ = read(run_id)
        label = repo.untrusted_source(run_id)
        if label is not None:
            raise ConflictError(
                f"run {run_id} came from an untrusted source ({label}), so it does not "
                "count as evidence"
            )
        if not read.is_proven(run_id):
            raise ConflictError(
                f"run {run_id} has redacted lines for which no allowed eraser "
                "(signing.allowed_erasers) signed, so it does not count as evidence; "
                "have one sign: "
                f"aivcs run redact {run_id} SEQ --reason TEXT --sign"
            )
        if not record.status.is_terminal:
            raise errors.InvalidRunStateError(
                run_id,
                record.status,
                "over",
                f"run {run_id} is still running, so it is not evidence yet; "
                f"end it with: aivcs run finish {run_id}",
            )
        if read.is_unproven(run_id) and run_id not in found:
            unproven.append(run_id)
        late = read.late.choose(run_id) if read.late is not None else ()
        found[run_id] = Evidence(run_id, head, late)
    return tuple(found.values()), unproven
