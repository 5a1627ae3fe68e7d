"""The guarantees of a `RunLedger`: the head, the chain, and what a newer version wrote."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from aivcs.errors import IntegrityError, UnsupportedFormatError
from aivcs.model.run import RunEvent, RunId
from aivcs.testing.lines import read
from aivcs.testing.linking import body_of, hash_of, link_line, relink
from aivcs.testing.runs.given import DONE, RunLedgerFixtures, change

if TYPE_CHECKING:
    from collections.abc import Callable

    from aivcs.store.contracts import RunLedger
    from aivcs.testing.lines import Edit, Rewrite
    from aivcs.testing.runs.given import OpenStore

EDITS: dict[str, Edit] = {
    "a kind edited": lambda lines: [
        line.replace(b'"kind":"two"', b'"kind":"TWO"') for line in lines
    ],
    "a time edited": lambda lines: [
        line.replace(b'"timestamp":"2', b'"timestamp":"1') if b'"two"' in line else line
        for line in lines
    ],
    "a hash edited": lambda lines: [
        *lines[:2],
        lines[2].replace(hash_of(lines[2]).encode(), b"0" * 64),
        *lines[3:],
    ],
    "a line swapped with its neighbour": lambda lines: [*lines[:2], lines[3], lines[2], *lines[4:]],
    "a line deleted": lambda lines: lines[:2] + lines[3:],
    "a line repeated": lambda lines: [*lines[:2], lines[1], *lines[2:]],
    "a line emptied": lambda lines: [*lines[:2], b"", *lines[3:]],
    "a line replaced by other JSON": lambda lines: [*lines[:2], b"{}", *lines[3:]],
}
"""Edits of a log of a header and the events one to four; each first goes wrong at line 3."""


every_edit = pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)


class RunChainContract(RunLedgerFixtures):
    """The guarantees of the head, the chain, and what a newer version wrote."""

    def test_the_head_moves_with_every_change_and_with_nothing_else(
        self, open_store: OpenStore, run: RunId
    ) -> None:
        heads = [open_store().head(run)]
        steps: list[Callable[[], object]] = [
            lambda: open_store().append_event(run, RunEvent("kind", seq=5)),
            lambda: open_store().append_event(run, RunEvent("kind", seq=2)),
            lambda: open_store().complete_run(run, DONE),
        ]
        for step in steps:
            step()
            heads.append(open_store().head(run))
            open_store().get_events(run)
            open_store().get_run(run)
            assert open_store().head(run) == heads[-1]
        assert [head.lines for head in heads] == [1, 2, 3, 4]
        assert len({head.hash for head in heads}) == 4
        assert all(re.fullmatch("[0-9a-f]{64}", head.hash) for head in heads)

    def test_a_batch_moves_the_head_by_its_lines(self, ledger: RunLedger, told: RunId) -> None:
        assert ledger.head(told).lines == 5

    def test_every_hash_is_that_of_the_hash_before_it_and_the_line(
        self, open_store: OpenStore, rewrite: Rewrite, told: RunId
    ) -> None:
        open_store().append_event(told, RunEvent("Grüße", {"🦀": "\u2028"}, seq=99))
        open_store().append_event(told, RunEvent("out of order", seq=50))
        open_store().complete_run(told, DONE)
        lines = read(rewrite, told)
        assert lines == relink(map(body_of, lines))
        assert open_store().head(told).lines == len(lines) == 8
        assert open_store().head(told).hash == hash_of(lines[-1])

    @every_edit
    def test_an_edited_history_is_noticed_and_the_line_is_named(
        self, open_store: OpenStore, rewrite: Rewrite, told: RunId, edit: Edit
    ) -> None:
        rewrite(told, edit)
        readings: list[Callable[[], object]] = [
            lambda: open_store().get_events(told),
            lambda: list(open_store().iter_events(told)),
        ]
        for read_events in readings:
            with pytest.raises(IntegrityError) as caught:
                read_events()
            assert caught.value.where.endswith("line 3")
            assert told in str(caught.value)

    @pytest.mark.parametrize("name", ["agent_name", "spec_digest", "created_at", "run_id"])
    def test_an_edited_first_line_is_noticed(
        self, open_store: OpenStore, rewrite: Rewrite, told: RunId, name: str
    ) -> None:
        def edit(lines: list[bytes]) -> list[bytes]:
            at = lines[0].index(b'"%s":"' % name.encode()) + len(name) + 4
            other = b"8" if lines[0][at : at + 1] != b"8" else b"9"
            return [lines[0][:at] + other + lines[0][at + 1 :], *lines[1:]]

        rewrite(told, edit)
        with pytest.raises(IntegrityError):
            open_store().get_run(told)
        with pytest.raises(IntegrityError):
            open_store().get_events(told)

    def test_an_edited_end_is_noticed(
        self, open_store: OpenStore, rewrite: Rewrite, told: RunId
    ) -> None:
        open_store().fail_run(told, DONE)
        rewrite(told, change(b'"FAILED"', b'"COMPLETED"'))
        with pytest.raises(IntegrityError):
            open_store().get_run(told)
        with pytest.raises(IntegrityError):
            open_store().head(told)
        with pytest.raises(IntegrityError):
            open_store().get_events(told)

    def test_a_run_with_a_damaged_end_is_not_extended(
        self, open_store: OpenStore, rewrite: Rewrite, told: RunId
    ) -> None:
        rewrite(told, change(b'"kind":"four"', b'"kind":"FOUR"'))
        damaged = read(rewrite, told)
        with pytest.raises(IntegrityError):
            open_store().append_event(told, RunEvent("five"))
        with pytest.raises(IntegrityError):
            open_store().append_events(told, [RunEvent("five")])
        with pytest.raises(IntegrityError):
            open_store().complete_run(told, DONE)
        assert read(rewrite, told) == damaged

    def test_a_retry_is_not_compared_with_a_damaged_event(
        self, open_store: OpenStore, rewrite: Rewrite, told: RunId
    ) -> None:
        rewrite(told, change(b'"kind":"two"', b'"kind":"TWO"'))
        with pytest.raises(IntegrityError):
            open_store().append_event(told, RunEvent("TWO", seq=2))

    def test_what_truncation_and_rewriting_hide_a_head_kept_elsewhere_shows(
        self, open_store: OpenStore, rewrite: Rewrite, told: RunId
    ) -> None:
        kept = open_store().head(told)
        rewrite(told, lambda lines: lines[:-1])
        assert len(open_store().get_events(told)) == 3
        assert open_store().head(told) != kept
        open_store().append_event(told, RunEvent("another"))
        assert open_store().head(told).lines == kept.lines
        assert open_store().head(told) != kept

    # what a newer version wrote

    def test_members_that_are_unknown_are_ignored(
        self, open_store: OpenStore, rewrite: Rewrite, told: RunId
    ) -> None:
        before, events = open_store().get_run(told), open_store().get_events(told)
        rewrite(told, lambda lines: relink(body_of(line) + b',"new":[{}]' for line in lines))
        assert open_store().get_run(told) == before
        assert open_store().get_events(told) == events
        assert open_store().append_event(told, RunEvent("five")) == 5

    def test_an_entry_of_an_unknown_type_is_refused(
        self, open_store: OpenStore, rewrite: Rewrite, told: RunId
    ) -> None:
        entry = {"type": "pause", "seq": 5}
        rewrite(told, lambda lines: [*lines, link_line(entry, hash_of(lines[-1]))])
        with pytest.raises(UnsupportedFormatError):
            open_store().get_events(told)
        with pytest.raises(UnsupportedFormatError):
            open_store().get_run(told)
        with pytest.raises(UnsupportedFormatError):
            open_store().append_event(told, RunEvent("five"))
        with pytest.raises(UnsupportedFormatError):
            open_store().complete_run(told, DONE)

    def test_a_log_of_a_later_format_is_refused(
        self, open_store: OpenStore, rewrite: Rewrite, told: RunId
    ) -> None:
        rewrite(
            told,
            lambda lines: relink(
                body_of(line).replace(b'"format":1', b'"format":2') for line in lines
            ),
        )
        with pytest.raises(UnsupportedFormatError):
            open_store().get_run(told)
        with pytest.raises(UnsupportedFormatError):
            open_store().get_events(told)
