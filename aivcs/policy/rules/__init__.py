"""The rules that a policy may have, in the order of their verdicts: one module each."""

from aivcs.policy.rules import (
    complete_spec,
    events,
    label,
    late,
    notes,
    runs,
    signature,
    unique_label,
)

ALL = (
    runs.RULE,
    events.RULE,
    late.RULE,
    label.RULE,
    unique_label.RULE,
    complete_spec.RULE,
    notes.RULE,
    signature.RULE,
)
