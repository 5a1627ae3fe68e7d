"""Random steps through several backends at once, each compared with a model in plain Python.

The model knows the rules from the contracts only: a dictionary of contents, a dictionary of events
by seq for each run, and a list as the stack of each name. It is as short as the rules are, which is
what makes it worth comparing with.
"""

from __future__ import annotations

import json
from hashlib import sha256
from io import BytesIO
from typing import TYPE_CHECKING, Any, NamedTuple

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, rule

from aivcs.errors import (
    BlockedError,
    ConflictError,
    InvalidRunStateError,
    NoPreviousReleaseError,
    NotFoundError,
    ReleaseNotFoundError,
    StorageError,
)
from aivcs.log.release_changes import plan_rollback
from aivcs.model.digest import ContentDigest
from aivcs.model.release import ReleaseMetadata, ReleaseRecord
from aivcs.model.release_entries import Block
from aivcs.model.run import RunEvent, RunMetadata, RunSummary
from aivcs.model.timestamp import Timestamp

if TYPE_CHECKING:
    from collections.abc import Callable

    from aivcs.store.contracts import CasStore, ReleaseRegistry, RunLedger

LAST_SEQ = 9007199254740991
SPECS = [ContentDigest(sha256(b"spec %d" % number).hexdigest()) for number in range(4)]
NAMES = ["team/bot", "team"]
LABELS = ["v1", "v2", "stable"]


class Stores(NamedTuple):
    """The three stores of one backend."""

    blobs: CasStore
    runs: RunLedger
    releases: ReleaseRegistry


class ModelRun:
    """The model of a run, in plain Python.

    Attributes:
        ids: Its id in each backend.
        spec: Its spec digest.
        status: What it is.
        total: What its summary is to say, once it is over.
        events: Its events by seq.
    """

    def __init__(self, ids: list[str], spec: ContentDigest) -> None:
        """Begins without events."""
        self.ids = ids
        self.spec = spec
        self.status = "RUNNING"
        self.total: int | None = None
        self.events: dict[int, RunEvent] = {}

    def append(self, batch: list[RunEvent]) -> list[int]:
        """Appends all or nothing; returns the seqs."""
        if self.status != "RUNNING":
            raise InvalidRunStateError("", self.status, "RUNNING")
        events, seqs = dict(self.events), []
        for event in batch:
            seq = max(events, default=0) + 1 if event.seq is None else event.seq
            if seq > LAST_SEQ:
                raise ConflictError("no number is left")
            if seq in events and not _is_retry(event, events[seq]):
                raise ConflictError("another event has this seq")
            events.setdefault(seq, event)
            seqs.append(seq)
        self.events = events
        return seqs

    def finish(self, status: str) -> None:
        """Ends the run, once."""
        if self.status != "RUNNING":
            raise InvalidRunStateError("", self.status, "RUNNING")
        self.status = status
        self.total = len(self.events)


class Element(NamedTuple):
    """The model of a name's stack."""

    target_seq: int
    spec: ContentDigest
    label: str | None


class ModelReleases:
    """The releases of a name, in plain Python.

    Attributes:
        stack: What is live, on top of what a rollback returns to.
        entries: All that happened: action, and the stack's top and the seq below it afterwards,
            under the label that the entry bears; None for a mark.
        blocked: What cannot become live.
    """

    def __init__(self) -> None:
        """Begins with nothing."""
        self.stack: list[Element] = []
        self.entries: list[tuple[str, Element, int | None] | None] = []
        self.blocked: set[ContentDigest] = set()

    @property
    def live_seq(self) -> int:
        """The seq of the newest release; 0 without one."""
        return max((seq for seq, entry in enumerate(self.entries, 1) if entry), default=0)

    def promote(self, spec: ContentDigest, label: str | None, expect: object) -> None:
        """Pushes, or replaces the top."""
        self._require(expect)
        self._require_good(spec)
        self._put("promote", spec, label)

    def rollback(self, to: object, expect: object, *, blocks: bool) -> None:
        """Pops: once, or down to a target; and blocks what was live, if it is told to."""
        if not self.entries:
            raise ReleaseNotFoundError("")
        self._require(expect)
        live = self.stack[-1].spec
        if to is None:
            if len(self.stack) == 1:
                raise NoPreviousReleaseError("")
            spec, label = self.stack[-2][1:]
        else:
            _, spec, label = self._resolve(to)
        self._require_good(spec)
        if blocks:
            if spec == live:
                raise ConflictError("it cannot be blocked and returned to at once")
            self.mark(live, blocks=True)
        on_stack = [depth for depth, item in enumerate(self.stack) if item.spec == spec]
        if to is None:
            self.stack.pop()
            self._record("rollback", label)
        elif on_stack and on_stack[-1] < len(self.stack) - 1:
            del self.stack[on_stack[-1] + 1 :]
            self._record("rollback", label)
        else:
            self._put("rollback", spec, label)

    def mark(self, spec: ContentDigest, *, blocks: bool) -> None:
        """Blocks or unblocks."""
        if not self.entries:
            raise ReleaseNotFoundError("")
        if blocks:
            self.blocked.add(spec)
        elif spec in self.blocked:
            self.blocked.remove(spec)
        else:
            raise ConflictError("it is not blocked")
        self.entries.append(None)

    def _resolve(self, to: object) -> Element:
        for seq in range(len(self.entries), 0, -1):
            entry = self.entries[seq - 1]
            if entry and to in (seq, entry[1].label, entry[1].spec):
                return entry[1]
        raise ReleaseNotFoundError("")

    def _require(self, expect: object) -> None:
        live = (self.live_seq, self.stack[-1].spec) if self.stack else ("none",)
        if expect is not None and expect not in live:
            raise ConflictError("something else is live")

    def _require_good(self, spec: ContentDigest) -> None:
        if spec in self.blocked:
            raise BlockedError("", spec, by="", created_at="", reason="")

    def _put(self, action: str, spec: ContentDigest, label: str | None) -> None:
        if self.stack and self.stack[-1].spec == spec:
            self.stack.pop()
        self.stack.append(Element(len(self.entries) + 1, spec, label))
        self._record(action, label)

    def _record(self, action: str, label: str | None) -> None:
        below = self.stack[-2].target_seq if len(self.stack) > 1 else None
        self.entries.append((action, self.stack[-1]._replace(label=label), below))


scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([0.5, -2.25, 1e300, 5e-324])
    | st.text(max_size=8)
)
payloads = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=6,
)
events = st.builds(
    RunEvent,
    st.sampled_from(["tool_called", "Grüße", "k"]),
    # Few of them, so that the same one comes twice and others meet under one seq.
    st.sampled_from([None, {}, {"a": 1}, [True]]) | payloads,
    # Close together, so that numbers meet, run into gaps and reach the end.
    seq=st.none() | st.integers(0, 9) | st.integers(LAST_SEQ - 1, LAST_SEQ),
    timestamp=st.none() | st.sampled_from(["2026-01-31T12:00:00Z", "2026-01-31T12:00:01Z"]),
)


class Promote(NamedTuple):
    """A promote to be tried."""

    spec: ContentDigest
    label: str | None
    expect: Any


class Rollback(NamedTuple):
    """A rollback to be tried."""

    to: Any
    expect: Any
    blocks: bool


class Mark(NamedTuple):
    """A block or unblock to be tried."""

    spec: ContentDigest
    blocks: bool


# Mostly none: a step that is refused leads nowhere.
expectations = st.none() | st.sampled_from([None, "live", "live seq", "none", 1, 2, *SPECS])
promotes = st.builds(
    Promote, st.sampled_from(SPECS), st.none() | st.sampled_from(LABELS), expectations
)
rollbacks = st.builds(
    Rollback,
    st.none() | st.integers(0, 8) | st.sampled_from([*LABELS, *SPECS]),
    expectations,
    # Seldom: what is blocked leads nowhere.
    st.sampled_from([False, False, True]),
)
marks = st.builds(Mark, st.sampled_from(SPECS), st.sampled_from([False, True]))


class StoresMachine(RuleBasedStateMachine):
    """Drives backends and a model through the same steps; override `open_backends`.

    class Everything(StoresMachine):
        def open_backends(self):
            return [Stores(self.blobs, self.runs, self.releases), ...]

    TestEverything = Everything.TestCase
    """

    runs = Bundle("runs")
    contents = Bundle("contents")

    def open_backends(self) -> list[Stores]:
        """Override: opens every backend; called again, it opens the same data again."""
        raise NotImplementedError("override open_backends")

    @initialize()
    def begin(self) -> None:
        """Opens the backends and begins the model."""
        self.backends = self.open_backends()
        self.model_blobs: dict[str, bytes] = {}
        self.model_runs: list[ModelRun] = []
        self.model_releases = {name: ModelReleases() for name in NAMES}

    @rule()
    def reopen(self) -> None:
        """Forgets every object: what is stored must be enough."""
        self.backends = self.open_backends()

    # blobs

    @rule(target=contents, content=st.binary(max_size=40), streamed=st.booleans())
    def put(self, content: bytes, streamed: bool) -> bytes:
        """Puts a content."""
        digest = sha256(content).hexdigest()
        for blobs, _, _ in self.backends:
            stored = blobs.put_stream(BytesIO(content)) if streamed else blobs.put(content)
            assert stored == digest
        self.model_blobs[digest] = content
        return content

    @rule(content=contents)
    def delete(self, content: bytes) -> None:
        """Deletes a content, which may be gone already."""
        digest = ContentDigest(sha256(content).hexdigest())
        for blobs, _, _ in self.backends:
            blobs.delete(digest)
        self.model_blobs.pop(digest, None)

    @rule(content=contents)
    def get(self, content: bytes) -> None:
        """Gets a content in every way, or learns in every way that it is gone."""
        digest = ContentDigest(sha256(content).hexdigest())
        there = digest in self.model_blobs
        for blobs, _, _ in self.backends:
            assert blobs.contains(digest) is there
            if there:
                assert blobs.get(digest) == content
                with blobs.open(digest) as stream:
                    assert stream.read() == content
                continue
            for read in (blobs.get, blobs.open):
                assert _outcome(lambda read=read: read(digest)) is NotFoundError  # type: ignore[misc]

    @rule(prefix=st.text("0123456789abcdef", max_size=2))
    def list_digests(self, prefix: str) -> None:
        """Lists contents."""
        wanted = sorted(digest for digest in self.model_blobs if digest.startswith(prefix))
        for blobs, _, _ in self.backends:
            assert list(blobs.list_digests(prefix)) == wanted

    # runs

    @rule(target=runs, spec=st.sampled_from(SPECS), tags=payloads)
    def create_run(self, spec: ContentDigest, tags: Any) -> ModelRun:
        """Creates a run."""
        ids: list[str] = []
        for _, runs, _ in self.backends:
            ids.append(runs.create_run(spec, RunMetadata("bot", tags=tags)))
            assert runs.get_run(ids[-1]).metadata.tags == ({} if tags is None else tags)
        run = ModelRun(ids, spec)
        self.model_runs.append(run)
        return run

    @rule(run=runs, event=events)
    def append_event(self, run: ModelRun, event: RunEvent) -> None:
        """Appends an event: a new one, a retry, or one in conflict."""
        wanted = _outcome(lambda: run.append([event])[0])
        self._compare(wanted, run, lambda runs, run_id: runs.append_event(run_id, event))
        self._look_at(run)

    @rule(run=runs, batch=st.lists(events, max_size=4))
    def append_events(self, run: ModelRun, batch: list[RunEvent]) -> None:
        """Appends a batch."""
        wanted = _outcome(lambda: run.append(batch))
        self._compare(wanted, run, lambda runs, run_id: runs.append_events(run_id, batch))
        self._look_at(run)

    @rule(run=runs, data=st.data())
    def retry_event(self, run: ModelRun, data: st.DataObject) -> None:
        """Appends again what is there."""
        if not run.events:
            return
        seq = data.draw(st.sampled_from(sorted(run.events)))
        stored = run.events[seq]
        event = RunEvent(stored.kind, stored.payload, seq=seq, timestamp=stored.timestamp)
        self.append_event(run, event)

    @rule(run=runs, kind=st.sampled_from(["k", "tool_called"]), payload=payloads, data=st.data())
    def contradict_event(self, run: ModelRun, kind: str, payload: Any, data: st.DataObject) -> None:
        """Appends something else under a seq that is there, or nearly the same."""
        if not run.events:
            return
        seq = data.draw(st.sampled_from(sorted(run.events)))
        self.append_event(run, RunEvent(run.events[seq].kind, payload, seq=seq))
        self.append_event(run, RunEvent(kind, run.events[seq].payload, seq=seq))

    @rule(run=runs, how=st.sampled_from(["complete", "fail", "cancel"]), success=st.booleans())
    def finish(self, run: ModelRun, how: str, success: bool) -> None:
        """Ends a run, which may be over already."""
        status = {"complete": "COMPLETED", "fail": "FAILED", "cancel": "CANCELLED"}[how]
        summary = RunSummary(success=success)
        wanted = _outcome(lambda: run.finish(status))
        self._compare(
            wanted, run, lambda runs, run_id: getattr(runs, f"{how}_run")(run_id, summary)
        )
        self._look_at(run)

    @rule(spec=st.none() | st.sampled_from(SPECS))
    def list_runs(self, spec: ContentDigest | None) -> None:
        """Lists runs."""
        for index, (_, runs, _) in enumerate(self.backends):
            listed = runs.list_runs(spec)
            wanted = [run for run in self.model_runs if spec in (None, run.spec)]
            assert {record.run_id: record.status for record in listed} == {
                run.ids[index]: run.status for run in wanted
            }
            assert len(listed) == len(wanted)
            created = [record.created_at for record in listed]
            assert created == sorted(created, reverse=True)
            assert list(runs.iter_runs(spec)) == listed
            ids = sorted(run.ids[index] for run in self.model_runs)
            assert list(runs.list_run_ids()) == ids

    # releases

    @rule(
        name=st.sampled_from(NAMES),
        steps=st.lists(promotes | rollbacks | marks, min_size=1, max_size=6),
    )
    def release(self, name: str, steps: list[Promote | Rollback | Mark]) -> None:
        """Promotes, rolls back, blocks and unblocks, where that is possible."""
        for step in steps:
            if isinstance(step, Promote):
                self._promote(name, step)
            elif isinstance(step, Mark):
                self._mark(name, step)
            else:
                self._roll_back(name, step)

    @rule()
    def list_names(self) -> None:
        """Lists names."""
        wanted = sorted(name for name, model in self.model_releases.items() if model.entries)
        for _, _, releases in self.backends:
            assert list(releases.list_names()) == wanted

    def teardown(self) -> None:
        """Looks at everything once more, through stores opened anew."""
        if not hasattr(self, "model_runs"):
            return
        self.backends = self.open_backends()
        self.list_digests("")
        self.list_runs(None)
        self.list_names()
        for run in self.model_runs:
            self._look_at(run)
        for content in list(self.model_blobs.values()):
            self.get(content)
        for name in NAMES:
            for _, _, releases in self.backends:
                self._look_at_releases(name, releases)

    # steps, and comparing what came of them

    def _promote(self, name: str, step: Promote) -> None:
        model = self.model_releases[name]
        expect = _live(model, step.expect)
        metadata = ReleaseMetadata("ci", version_label=step.label)
        wanted = _outcome(lambda: model.promote(step.spec, step.label, expect))
        for _, _, releases in self.backends:
            got = _outcome(
                lambda r=releases: r.promote(name, step.spec, metadata, expect=expect)  # type: ignore[misc]
            )
            self._compare_release(name, got, wanted)
            self._look_at_releases(name, releases)

    def _roll_back(self, name: str, step: Rollback) -> None:
        model = self.model_releases[name]
        # Nothing there and something else expected: a backend may say either first.
        expect = _live(model, step.expect) if model.entries else None
        wanted = _outcome(lambda: model.rollback(step.to, expect, blocks=step.blocks))
        why = ReleaseMetadata("ci", notes="bad")

        def roll_back(releases: ReleaseRegistry) -> ReleaseRecord:
            if not step.blocks:
                return releases.rollback(name, to=step.to, expect=expect, metadata=why)
            with releases.view(name) as view:
                change = plan_rollback(view, step.to, why, expect=expect, block=True)
            releases.append(name, change.entries, if_head=change.if_head)
            return change.release

        for _, _, releases in self.backends:
            got = _outcome(lambda r=releases: roll_back(r))  # type: ignore[misc]
            self._compare_release(name, got, wanted)
            self._look_at_releases(name, releases)

    def _mark(self, name: str, step: Mark) -> None:
        model = self.model_releases[name]
        wanted = _outcome(lambda: model.mark(step.spec, blocks=step.blocks))
        for _, _, releases in self.backends:
            call = releases.block if step.blocks else releases.unblock
            got = _outcome(lambda c=call: c(name, step.spec, by="ci", reason="bad"))  # type: ignore[misc]
            assert isinstance(got, Block) if wanted is None else got is wanted
            self._look_at_releases(name, releases)

    def _compare(
        self, wanted: object, run: ModelRun, call: Callable[[RunLedger, str], object]
    ) -> None:
        for index, (_, runs, _) in enumerate(self.backends):
            got = _outcome(lambda runs=runs, index=index: call(runs, run.ids[index]))  # type: ignore[misc]
            assert got == wanted, f"backend {index}: {got!r}, the model: {wanted!r}"

    def _look_at(self, run: ModelRun) -> None:
        for index, (_, runs, _) in enumerate(self.backends):
            stored = runs.get_events(run.ids[index])
            assert [event.seq for event in stored] == sorted(run.events)
            for event in stored:
                assert event.seq is not None
                assert type(event.timestamp) is Timestamp
                assert _is_retry(run.events[event.seq], event)
            record = runs.get_run(run.ids[index])
            assert (record.status, record.spec_digest) == (run.status, run.spec)
            assert (record.summary and record.summary.total_events) == run.total
            over = run.status != "RUNNING"
            assert runs.head(run.ids[index]).lines == 1 + len(run.events) + over

    def _compare_release(self, name: str, got: object, wanted: object) -> None:
        if isinstance(wanted, type):
            assert got is wanted, f"{got!r}, the model: {wanted!r}"
        else:
            assert isinstance(got, ReleaseRecord), f"{got!r}, the model changed"
            assert _told(got) == _wanted(self.model_releases[name])[0]

    def _look_at_releases(self, name: str, releases: ReleaseRegistry) -> None:
        wanted = _wanted(self.model_releases[name])
        history = releases.history(name)
        assert [_told(record) for record in history] == wanted
        assert list(releases.iter_history(name)) == history
        assert releases.current(name) == (history[0] if history else None)
        if wanted:
            assert releases.head(name).lines == len(self.model_releases[name].entries)
        blocked = self.model_releases[name].blocked
        assert {mark.spec_digest for mark in releases.blocks(name)} == blocked
        for spec in SPECS:
            assert (releases.find_block(name, spec) is not None) is (spec in blocked)


def _is_retry(event: RunEvent, stored: RunEvent) -> bool:
    """Whether an event is the stored one again."""
    return (
        event.kind == stored.kind
        and json.dumps(event.payload, sort_keys=True) == json.dumps(stored.payload, sort_keys=True)
        and event.timestamp in (None, stored.timestamp)
    )


def _live(model: ModelReleases, expect: Any) -> Any:
    """The present values of "live" and "live seq"."""
    if expect == "live":
        return model.stack[-1].spec if model.stack else "none"
    if expect == "live seq":
        return model.live_seq or "none"
    return expect


def _told(record: ReleaseRecord) -> tuple[object, ...]:
    return (
        record.seq,
        record.action,
        record.spec_digest,
        record.metadata.version_label,
        record.target_seq,
        record.parent_seq,
    )


def _wanted(model: ModelReleases) -> list[tuple[object, ...]]:
    """The model's entries as `_told` tells records, newest first."""
    return [
        (seq, action, top.spec, top.label, top.target_seq, below)
        for seq, entry in reversed(list(enumerate(model.entries, 1)))
        if entry
        for action, top, below in [entry]
    ]


def _outcome(call: Callable[[], object]) -> object:
    """The result of a call, or the type of its exception."""
    try:
        return call()
    except StorageError as error:
        return type(error)
