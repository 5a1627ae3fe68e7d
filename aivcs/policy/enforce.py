"""The one way a release is made: view, plan, judge, sign, append.

    with releases.view(name) as view:            # head, live, blocks: one read
        change = plan_promotion(view, spec, …)   # pure
    judge.judge(change)                          # by what was seen; raises PolicyError, or forces
    releases.append(name, change.entries, if_head=change.if_head)

Nothing is locked while a release is judged or signed. If the log has moved on in between, it is
planned and judged anew. Without a policy, a signer or a spec to look up, plan and append are one
step, and nothing of the judge is loaded. The command line and `Repository` both come here.
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
"""How often a change is planned anew because the log has moved on."""


class PolicyContext:
    """What a release has to pass.

    Attributes:
        policies: The policy table of each configuration file that has one, strongest first, after
            the file's name.
        signer: Who signs, or None.
        verifier: Who knows whose signatures count, or None.
    """

    __slots__ = ("policies", "signer", "verifier")

    def __init__(
        self,
        policies: "Sequence[tuple[str, Table]]" = (),
        signer: "Signer | None" = None,
        verifier: "Verifier | None" = None,
    ) -> None:
        """Takes the fields as they are."""
        self.policies = policies
        self.signer = signer
        self.verifier = verifier


class Outcome:
    """A change that was made, or would be, and what was said of it.

    Attributes:
        change: The change.
        verdicts: What each rule said.
        is_forced: Whether it is made against the rules.
        is_refused: Whether the rules refuse it; only of a dry run, for it is an error else.
        signed_by: Who signed it, if somebody did and that is known.
    """

    __slots__ = ("change", "is_forced", "is_refused", "signed_by", "verdicts")

    def __init__(self, change: "ReleaseChange") -> None:
        """Takes a change that nothing was said of yet."""
        self.change = change
        self.verdicts: list[Verdict] = []
        self.is_forced = self.is_refused = False
        self.signed_by = ""

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
        by: Who promotes.
        label: A name for the release.
        notes: Why.
        expect: What must be live now, as for `Repository.resolve_expectation`.
        evidence: Runs that speak for it, as for `Repository.resolve_run`; all must be over.
        move_label: Whether the label may be that of another spec. Where a policy judges labels,
            the policy alone says so.
        allow_missing_spec: Whether the spec and its parts need not be stored whole.
        force: Whether policies may be overridden; then notes must say why. No block is. It is
            recorded only where there was a rule that was broken.
        dry_run: Whether nothing is to be changed; what is against the rules is no error then.
        context: The policies and the signer, if there are any.

    Raises:
        UsageError: A reason is missing, or a policy is not understood.
        InvalidNameError: Name or label break the rules.
        NotFoundError: The spec, or a part of it, is not in the store.
        IntegrityError: The spec, or a part of it, is damaged.
        RunNotFoundError: A run that is to be evidence is not there.
        InvalidRunStateError: It is not over, so that nobody can say what it will have shown.
        PolicyError: A rule is not met.
        ConflictError: Something else than expected is live, the spec is blocked, the label is
            another spec's, or the log kept moving on.
        BackendError: No signature could be made.
    """
    check_release_name(name)
    if force and not (notes or "").strip():
        raise UsageError("--force needs --notes, which are recorded")
    metadata = ReleaseMetadata(by, version_label=label, notes=notes)
    with repo.hold():
        judge = _judge(repo, name, context, force=force)
        digest = repo.resolve_spec(spec, allow_missing=True)
        if not allow_missing_spec:
            repo.require_spec(digest)
        expected = None if expect is None else repo.resolve_expectation(expect)
        runs = _evidence(repo, evidence, judge) if evidence else ()

        keeps_label = not move_label and (judge is None or not judge.judges_labels)

        def plan(view: "ReleaseView") -> "ReleaseChange":
            if keeps_label and label is not None:
                _require_free_label(view, digest, label)
            return plan_promotion(view, digest, metadata, expect=expected, evidence=runs)

        if judge is None and not dry_run:
            return Outcome(repo.releases.change(name, plan))
        return _apply(repo, name, plan, judge, dry_run=dry_run)


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
        by: Who rolls back.
        to: What to return to, as for `Repository.resolve_target`; None is the previous release.
        reason: Why.
        expect: What must be live now, as for `Repository.resolve_expectation`.
        block: Whether to block what was live; then a reason must be given.
        allow_missing_spec: As for `promote`.
        force: As for `promote`; then a reason must be given.
        dry_run: As for `promote`.
        context: As for `promote`.

    Raises:
        UsageError: A reason is missing, or a policy is not understood.
        ReleaseNotFoundError: Nothing was released under the name, or never the target.
        NoPreviousReleaseError: There is nothing below the live release.
        NotFoundError: The spec, or a part of it, is not in the store.
        IntegrityError: The spec, or a part of it, is damaged.
        PolicyError: A rule is not met.
        ConflictError: Something else than expected is live, what would be is blocked, or the log
            kept moving on.
        BackendError: No signature could be made.
    """
    check_release_name(name)
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
    """Plans a change on a view, judges it, and appends it if the log has not moved on."""
    for _ in range(ATTEMPTS):
        with repo.releases.view(name) as view:
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
        except ConflictError:
            # A signature is not made again without whoever holds the key.
            if judge is not None and judge.is_signing:
                raise
            continue
        return outcome
    raise ConflictError(
        f"{name}: the log moved on {ATTEMPTS} times while the change was judged; nothing was "
        "changed. Try again"
    )


def _require_free_label(view: "ReleaseView", digest: str, label: str) -> None:
    """Refuses a label that the newest release with it gave to another spec."""
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
    """Returns what judges and signs; None, and nothing is loaded, where there is nothing to do."""
    if context is None:
        return None
    from aivcs.policy.judge import Judge

    return Judge(repo, name, context, force=force)


def _evidence(
    repo: "Repository", runs: "Iterable[str]", judge: "Judge | None"
) -> "tuple[Evidence, ...]":
    """The runs with the heads of their logs, which do not change any more."""
    if judge is None:
        from aivcs.policy.evidence import RunReader

        read = RunReader(repo)
    else:
        read = judge.read
    found: dict[str, Evidence] = {}
    for text in runs:
        run_id = repo.resolve_run(text)
        record, head, _ = read(run_id)
        if not record.status.is_terminal:
            raise errors.InvalidRunStateError(
                run_id,
                record.status,
                "over",
                f"run {run_id} is still running, so it is no evidence yet; "
                f"end it with: aivcs run finish {run_id}",
            )
        found[run_id] = Evidence(run_id, head)
    return tuple(found.values())
