"""The rules that a policy may have, in the order of their verdicts: one module each."""

from aivcs.policy.rules import (
    approvals,
    baseline,
    complete_spec,
    events,
    evidence_from,
    label,
    late,
    notes,
    runs,
    signature,
    signatures,
    unique_label,
)

ALL = (
    runs.RULE,
    events.RULE,
    baseline.RULE,
    late.RULE,
    evidence_from.RULE,
    label.RULE,
    unique_label.RULE,
    complete_spec.RULE,
    notes.RULE,
    approvals.RULE,
    signature.RULE,
    signatures.RULE,
)
