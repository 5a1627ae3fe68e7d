"""The rules that a policy may have, in the order of their verdicts: one module each."""

from aivcs.policy.rules import events, label, notes, runs, signature, unique_label

ALL = (runs.RULE, events.RULE, label.RULE, unique_label.RULE, notes.RULE, signature.RULE)
