"""The index of texts: a search gives the same answers with it and without it."""

import json
import os
import re
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from aivcs.api import Repository
from aivcs.backends.fs.index import texts, texts_making
from aivcs.backends.fs.index.cache import BrokenError
from aivcs.codec.json import encode_trusted
from aivcs.commands.run.search import search
from aivcs.log import words
from aivcs.model.digest import ContentDigest
from aivcs.model.run import RunEvent, RunMetadata, RunSummary
from aivcs.search.query import Query
from aivcs.store.settings import Settings
from examples import examples

SPEC = ContentDigest.from_bytes(b"spec")
PIECES = st.sampled_from(
    (
        "foo",
        "FOO", "\u017f", "\u212a", "\u0130", "\u0131", "i", "s", "k", "ß", "é", "日本語", "🎉",
        " ", "\n", "\t", "\\", '"', "/", "\\n", "\\u0041", "{", ":", ",", "\x1b[0m", "\x7f", "a",
        "b", "nfoo", "-", "_", "'", "\u2028", "x" * 30,
    )
)  # fmt: skip
TEXTS = st.lists(PIECES, max_size=12).map("".join) | st.text(max_size=20).filter(
    lambda text: not re.search("[\ud800-\udfff]", text)
)
PAYLOADS = st.recursive(
    TEXTS | st.integers() | st.none() | st.booleans(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)


def make_store(folder, payloads_of_runs, *, running=()):
    repo = Repository.init(folder, settings=Settings(durability="none"))
    for number, payloads in enumerate(payloads_of_runs):
        run_id = repo.runs.create_run(SPEC, RunMetadata("a"))
        repo.runs.append_events(run_id, [RunEvent("note", payload) for payload in payloads])
        if number not in running:
            repo.runs.complete_run(run_id, RunSummary(success=True))
    return repo


def overwrite(path, data):
    with open(path, "r+b") as file:
        file.write(data)


def put_aside(path, put):
    os.rename(path, f"{path}.other")
    put(path)


def folder_of(repo):
    return repo.store._folder


def found(repo, text, *, ignore_case=False, with_index=True):
    repo.store.settings.search_index = "always" if with_index else "never"
    query = Query(text=text, ignore_case=ignore_case)
    return [
        (match.record.run_id, match.event.seq, match.passage)
        for match in search(repo, query, unreadable=lambda *_: pytest.fail("unreadable"))
    ]


def expected(repo, text, *, ignore_case=False):
    """By reading everything, with nothing of the search but its notion of a match."""
    query = Query(text=text, ignore_case=ignore_case)
    return [
        (record.run_id, event.seq, passage)
        for record in repo.runs.iter_runs()
        for event in repo.runs.iter_events(record.run_id)
        if (passage := query.find(event)) is not None
    ]


def index_all(repo):
    assert texts_making.make(folder_of(repo))


class TestWords:
    @given(TEXTS, TEXTS, TEXTS.filter(bool), st.booleans())
    def test_a_log_has_the_groups_of_each_text_in_it(self, before, after, text, ignore_case):
        line = (
            '{"type":"event","seq":1,"kind":"k","payload":'
            + encode_trusted({"a": before + text + after})
            + ',"timestamp":"2026-01-01T00:00:00.000000Z","hash":"' + "0" * 64 + '"}\n'
        )  # fmt: skip
        have = words.words_of(line.encode())
        assert all(gram in have for gram in words.parts_of(text, ignore_case=ignore_case))

    def test_these_characters_beyond_ascii_are_equal_to_letters_where_case_is_ignored(self):
        letters = "abcdefghijklmnopqrstuvwxyz"
        equal = {
            chr(code)
            for code in range(128, 0x11_0000)
            if not 0xD800 <= code < 0xE000
            and re.fullmatch(f"[{letters}]", chr(code), re.IGNORECASE)
        }
        assert equal == set("\u0130\u0131\u017f\u212a")

    def test_payloads_are_found_wherever_they_stand_in_a_line(self):
        for line in (
            '{"type":"event","seq":1,"kind":"k","timestamp":"t","payload":{"a":1,"timestamp":2,"b":"word"},"hash":"h"}',
            '{"payload":"word","type":"event"}',
            '{"type":"event","payload":"w\\u006frd","timestamp":"2026-01-01T00:00:00.000000Z","hash":""}',
        ):
            assert "word" in words.words_of(line.encode() + b"\n").split(" ")


class TestSameAnswers:
    @settings(
        deadline=None,
        max_examples=examples(60),
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )
    @given(
        st.lists(st.lists(PAYLOADS, max_size=3), min_size=1, max_size=5),
        st.lists(TEXTS.filter(bool), min_size=1, max_size=6),
        st.data(),
    )
    def test_with_and_without_it(self, tmp_path_factory, payloads, needles, data):
        repo = make_store(tmp_path_factory.mktemp("store"), payloads, running={1})
        index_all(repo)
        whole = [
            t
            for run in payloads
            for p in run
            for t in re.findall(r'"((?:[^"\\]|\\.)*)"', json.dumps(p))
        ]
        for _ in range(3 if whole else 0):  # a part of what is there, too
            text = json.loads(f'"{data.draw(st.sampled_from(whole))}"')
            if text:
                begin = data.draw(st.integers(0, len(text) - 1))
                needles = [*needles, text[begin : begin + data.draw(st.integers(1, 9))]]
        for needle in needles:
            for ignore_case in (False, True):
                wanted = expected(repo, needle, ignore_case=ignore_case)
                for with_index in (False, True):
                    assert (
                        found(repo, needle, ignore_case=ignore_case, with_index=with_index)
                        == wanted
                    )

    def test_in_a_log_of_several_pieces(self, tmp_path, monkeypatch):
        monkeypatch.setattr(texts_making, "_PIECE", 200)
        monkeypatch.setattr("aivcs.backends.fs.logs.scanning._BLOCK", 1000)
        repo = make_store(
            tmp_path, [[f"event {n} " + "é" * n * 9 + f" needle{n}" for n in range(80)], ["other"]]
        )
        index_all(repo)
        for n in (0, 1, 41, 79):
            for with_index in (True, False):
                assert len(found(repo, f"needle{n}", with_index=with_index)) == len(
                    expected(repo, f"needle{n}")
                )

    def test_of_runs_that_came_changed_or_went_since(self, tmp_path):
        repo = make_store(tmp_path, [["needle one"], ["needle two"], ["hay"]], running={1})
        index_all(repo)
        (_, running, _) = [record.run_id for record in repo.runs.iter_runs()]
        repo.runs.append_event(running, RunEvent("note", "needle three"))
        new = repo.runs.create_run(SPEC, RunMetadata("a"))
        repo.runs.append_event(new, RunEvent("note", "needle four"))
        assert found(repo, "needle") == expected(repo, "needle")
        assert len(found(repo, "needle")) == 4
        repo.runs.complete_run(running, RunSummary(success=True))
        gone = found(repo, "needle one")[0][0]
        os.unlink(f"{repo.path}/runs/{gone[:2]}/{gone}.jsonl")
        assert found(repo, "needle one") == []
        assert len(found(repo, "needle")) == 3

    def test_of_a_log_that_another_file_replaced(self, tmp_path):
        repo = make_store(tmp_path, [["needle"], ["hay"]])
        index_all(repo)
        _, _ = [record.run_id for record in repo.runs.iter_runs()]
        other = make_store(tmp_path / "other", [["straw"]])
        (source,) = [record.run_id for record in other.runs.iter_runs()]
        path = f"{repo.path}/runs/{source[:2]}/{source}.jsonl"
        os.makedirs(os.path.dirname(path), exist_ok=True)
        os.rename(f"{other.path}/runs/{source[:2]}/{source}.jsonl", path)
        assert [match[0] for match in found(repo, "straw")] == [source]


class TestWhatBefallsIt:
    @pytest.fixture
    def repo(self, tmp_path):
        made = make_store(tmp_path, [[f"text {n} needle"] for n in range(5)])
        index_all(made)
        assert texts.narrow(folder_of(made), ["nee", "dle"]) is not None
        return made

    @pytest.mark.parametrize(
        "damage",
        [
            os.unlink,
            lambda path: os.truncate(path, 5000),
            lambda path: os.truncate(path, 0),
            lambda path: overwrite(path, b"junk" * 3000),
            lambda path: put_aside(path, os.mkdir),
            lambda path: put_aside(path, lambda _: os.symlink(f"{path}.other", path)),
        ],
    )
    def test_damage_changes_no_answer(self, repo, damage):
        wanted = expected(repo, "needle")
        damage(f"{repo.path}/{texts.NAME}")
        assert found(repo, "needle") == wanted
        assert texts.narrow(folder_of(repo), ["nee"]) is None

    def test_another_version_is_not_used_and_replaced(self, repo, monkeypatch):
        monkeypatch.setattr(texts, "VERSION", 99)
        assert texts.narrow(folder_of(repo), ["nee"]) is None

    def test_it_is_not_written_again_for_few_runs(self, repo):
        before = os.stat(f"{repo.path}/{texts.NAME}")
        repo.runs.create_run(SPEC, RunMetadata("a"))
        assert not texts_making.make(folder_of(repo))
        assert os.stat(f"{repo.path}/{texts.NAME}") == before

    def test_it_goes_on_where_it_stopped(self, tmp_path):
        repo = make_store(tmp_path, [[f"needle {n}"] for n in range(40)])
        time.sleep(0.2)  # until the times of change of its folders are believed
        clock = iter(range(10_000))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(texts_making, "monotonic", lambda: next(clock))
            patch.setattr(texts_making, "_FEW", 0)
            patch.setattr(texts_making, "_SHARE", 10**9)
            makings = 0
            while texts_making.make(folder_of(repo), seconds=8):
                makings += 1
                for n in (0, 20, 39):
                    assert len(found(repo, f"needle {n}")) == len(expected(repo, f"needle {n}"))
        assert makings > 1
        with texts.TextIndex(folder_of(repo)) as index:
            assert index.totals()[0] == 40
            assert index.pending() == []


class TestWordsThatAreUnusual:
    def test_any_part_of_a_long_one_is_found(self, tmp_path):
        long = "".join(f"{number:x}g" for number in range(6000))  # longer than FTS5 keeps a word
        repo = make_store(tmp_path, [[long], ["other"]])
        index_all(repo)
        for begin in (0, 700, 795, 5_000, len(long) - 150):
            for size in (3, 150, 201, 1_500):
                part = long[begin : begin + size]
                assert found(repo, part) == expected(repo, part) != []
        assert texts.narrow(folder_of(repo), ["nowhere"]) == set()

    def test_a_part_that_many_have_rules_nothing_out(self, tmp_path, monkeypatch):
        monkeypatch.setattr(texts, "_MANY_WORDS", 10)
        repo = make_store(tmp_path, [[f"word{number}"] for number in range(12)])
        index_all(repo)
        assert texts.narrow(folder_of(repo), ["word"]) is None
        assert len(texts.narrow(folder_of(repo), ["word", "ord7"]) or ()) == 1
        assert len(found(repo, "word")) == 12
        assert len(found(repo, "word 7")) == 0

    def test_a_part_that_more_runs_have_than_are_named_rules_nothing_out(
        self, tmp_path, monkeypatch
    ):
        monkeypatch.setattr(texts_making, "_PIECE", 200)
        monkeypatch.setattr("aivcs.backends.fs.logs.scanning._BLOCK", 1000)
        long = ["needle " + "é" * 90 for _ in range(80)]  # a log of several documents
        repo = make_store(tmp_path, [long, *(["needle"] for _ in range(5))])
        index_all(repo)
        assert texts.narrow(folder_of(repo), ["needle"], most=5) is None
        assert len(texts.narrow(folder_of(repo), ["needle"], most=6) or ()) == 6


class TestForgetting:
    SECRET = b"hunter2secret"

    @pytest.fixture
    def repo(self, tmp_path):
        made = make_store(tmp_path, [["the password is hunter2secret"], ["other text"]])
        index_all(made)
        return made

    @contextmanager
    def kept(self, repo):
        """The file under another name, to see what becomes of its bytes."""
        path = f"{repo.path}/{texts.NAME}"
        os.link(path, f"{path}.kept")
        assert any(set(Path(path).read_bytes()))
        yield f"{path}.kept"

    def test_it_overwrites_all_that_it_had(self, repo):
        (secret,) = {match[0] for match in found(repo, "hunter2secret")}
        with self.kept(repo) as path:
            repo.store.forget_text(secret)
            assert set(Path(path).read_bytes()) == {0}
        assert not os.path.exists(f"{repo.path}/{texts.NAME}")
        assert [match[0] for match in found(repo, "hunter2secret")] == [secret]

    def test_a_run_that_it_does_not_know_changes_nothing(self, repo):
        repo.store.forget_text(repo.runs.create_run(SPEC, RunMetadata("a")))
        assert os.path.exists(f"{repo.path}/{texts.NAME}")

    def test_a_reader_who_has_it_open_does_without(self, repo):
        with texts.TextIndex(folder_of(repo)) as index:
            repo.store.forget_text()
            with pytest.raises(BrokenError):
                index.holding(["hun"], 10)

    def test_what_is_made_from_an_older_look_is_not_put_in_place(self, tmp_path, monkeypatch):
        repo = make_store(tmp_path, [["the password is hunter2secret"]])
        (record,) = repo.runs.iter_runs()
        log = f"{repo.path}/runs/{record.run_id[:2]}/{record.run_id}.jsonl"
        note = texts_making._note

        def erase_meanwhile(*given):
            data = Path(log).read_bytes().replace(self.SECRET, b"*" * len(self.SECRET))
            with open(log + ".new", "wb") as file:
                file.write(data)
            os.rename(log + ".new", log)
            repo.store.forget_text(record.run_id)
            note(*given)

        monkeypatch.setattr(texts_making, "_note", erase_meanwhile)
        assert not texts_making.make(folder_of(repo))
        assert not os.path.exists(f"{repo.path}/{texts.NAME}")
        assert os.listdir(f"{repo.path}/tmp") == []

    def test_a_log_that_was_rewritten_is_not_in_the_next_one(self, repo):
        (secret,) = {match[0] for match in found(repo, "hunter2secret")}
        os.unlink(f"{repo.path}/runs/{secret[:2]}/{secret}.jsonl")
        index_all(repo)  # something was removed, so it is made anew
        with texts.TextIndex(folder_of(repo)) as index:
            assert index.holding(words.parts_of("hunter2secret"), 10) == set()
            assert not index.knows(secret)


class TestTheCommand:
    def test_it_is_made_after_the_answer_and_used_by_the_next(self, aivcs):
        run = aivcs.begin()
        aivcs.ok("run", "log", run, "note", "text=needle")
        aivcs.ok("run", "finish", run)
        aivcs.ok("run", "search", "needle")
        assert not (aivcs.store / texts.NAME).exists()  # few runs
        aivcs.ok("config", "set", "search.index", "always")
        first = aivcs.ok("run", "search", "needle", "--json").text
        assert (aivcs.store / texts.NAME).exists()
        assert aivcs.ok("run", "search", "needle", "--json").text == first
        aivcs("run", "search", "nowhere", code=1)
        aivcs.ok("config", "set", "search.index", "never")
        assert aivcs.ok("run", "search", "needle", "--json").text == first

    def test_a_value_that_means_nothing_is_refused(self, aivcs):
        done = aivcs("config", "set", "search.index", "yes", code=2)
        assert b"auto, always, never" in done.err

    def test_verify_removes_one_that_is_older_than_a_log(self, aivcs):
        run = aivcs.begin()
        aivcs.ok("run", "log", run, "note", "text=needle")
        aivcs.ok("run", "finish", run)
        aivcs.ok("config", "set", "search.index", "always")
        time.sleep(0.2)  # until the time of change of its folder is believed
        aivcs.ok("run", "search", "needle")
        log = aivcs.run_log(run)
        with open(log, "r+b") as file:  # as a backup that is restored in place
            file.write(log.read_bytes())
        findings = aivcs("verify", "--json").json_lines
        assert texts.NAME in [each.get("where") for each in findings]
        assert not (aivcs.store / texts.NAME).exists()
