"""What has become of each release, told in one pass, against stacks kept in plain lists."""

from hashlib import sha256

from hypothesis import given, strategies as st

from aivcs.commands.release.history import states
from aivcs.errors import StorageError
from aivcs.fakes import MemoryReleaseRegistry
from aivcs.model import ContentDigest, ReleaseMetadata

SPECS = [ContentDigest(sha256(b"%d" % number).hexdigest()) for number in range(3)]
promotes = st.tuples(st.just("promote"), st.sampled_from(SPECS))
rollbacks = st.tuples(st.just("rollback"), st.none() | st.sampled_from(SPECS))


class Element:
    """A release on the stack: the entries that made it live, and those of what it replaced."""

    def __init__(self, spec, entries, replaced=()):
        self.spec = spec
        self.entries = list(entries)
        self.replaced = list(replaced)


def put(stack, spec, seq):
    if stack and stack[-1].spec == spec:
        old = stack.pop()
        stack.append(Element(spec, [seq], old.entries + old.replaced))
    else:
        stack.append(Element(spec, [seq]))


def step(stack, record, to):
    """Does to a stack what an entry says was done."""
    on_stack = [element.spec for element in stack]
    if record.action == "rollback" and to is None:
        stack.pop()
        stack[-1].entries.append(record.seq)
    elif record.action == "rollback" and to in on_stack[:-1] and on_stack[-1] != to:
        while stack[-1].spec != to:
            stack.pop()
        stack[-1].entries.append(record.seq)
    else:
        put(stack, record.spec_digest, record.seq)


def expected(stack, count):
    told = dict.fromkeys(range(1, count + 1), "rolled back")
    for element in stack:
        for seq in element.entries + element.replaced:
            told[seq] = "superseded"
    for seq in stack[-1].entries if stack else ():
        told[seq] = "current"
    return told


@given(st.lists(promotes | rollbacks, max_size=30))
def test_every_entry_has_the_state_that_its_element_has_on_the_stack(steps):
    registry, stack, count = MemoryReleaseRegistry(), [], 0
    for action, what in steps:
        try:
            if action == "promote":
                record = registry.promote("bot", what, ReleaseMetadata("ci"))
            else:
                record = registry.rollback("bot", to=what)
        except StorageError:
            continue
        step(stack, record, what)
        count += 1
    found = {record.seq: state for record, state in states(registry.iter_history("bot"))}
    assert found == expected(stack, count)


def test_states_are_told_as_entries_are_read():
    registry = MemoryReleaseRegistry()
    for spec in SPECS:
        registry.promote("bot", spec, ReleaseMetadata("ci"))
    read = []

    def watched():
        for record in registry.iter_history("bot"):
            read.append(record.seq)
            yield record

    told = states(watched())
    assert next(told)[1] == "current"
    assert read == [3]
