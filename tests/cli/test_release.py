"""`aivcs release`: what is live under each name, how it came to be, and the way back."""

import json
import subprocess

import pytest

from aivcs.api import Repository
from aivcs.log.release import record_from
from aivcs.log.release_changes import plan_promotion
from aivcs.model.digest import ContentDigest
from aivcs.model.release import Evidence, ReleaseMetadata

ABSENT = "0" * 64
BAD_NAMES = [
    "", ".", "..", "../x", "/x", "x/", "a//b", "a/../b", "a/./b", ".a", "_a", "a b", "a\nb", "a\tb",
    "\u2603", "a:b", "a\\b", "a*", "a.jsonl", "a.jsonl/b", "n" * 201, "n" * 300, b"a\xff",
]  # fmt: skip


@pytest.fixture
def specs(aivcs):
    """Three specs in the store."""
    return [aivcs.put(b"spec %d" % number) for number in (1, 2, 3)]


def live(aivcs, name="bot"):
    return aivcs.ok("release", "current", name).text


def history(aivcs, name="bot"):
    """The entries of a name, without what has become of them."""
    entries = aivcs.ok("release", "history", name, "--json").json_lines
    for entry in entries:
        assert entry.pop("state") in {"current", "superseded", "rolled back"}
        assert entry.pop("blocked") in {True, False}
    return entries


class TestPromote:
    def test_prints_the_digest_now_live_and_tells_how_to_undo(self, aivcs, specs):
        one, two, _ = specs
        done = aivcs.ok("release", "promote", "bot", one)
        assert done.text == one
        assert done.err.decode().count("\n") == 1
        done = aivcs.ok("release", "promote", "bot", two, "--label", "v2")
        assert done.text == two
        said, undo = done.err.decode().splitlines()
        assert one[:12] in said
        assert f"v2 {two[:12]} (@2)" in said
        assert undo == "undo with: aivcs release rollback bot"
        aivcs.shell(undo.removeprefix("undo with: "))
        assert live(aivcs) == one

    def test_records_who_why_and_when(self, aivcs, specs, files):
        aivcs.ok(
            "release", "promote", "team/bot-1.x", specs[0],
            "--label", "v1", "--notes", "first\nrelease ☃", "--by", "alice",
        )  # fmt: skip
        (record,) = history(aivcs, "team/bot-1.x")
        created_at = record.pop("created_at")
        assert record == {
            "seq": 1,
            "action": "promote",
            "name": "team/bot-1.x",
            "spec_digest": specs[0],
            "metadata": {
                "version_label": "v1",
                "promoted_by": "alice",
                "notes": "first\nrelease ☃",
            },
            "target_seq": 1,
            "parent_seq": None,
        }
        (entry,) = files.read_chain(aivcs.release_log("team/bot-1.x"))
        assert list(entry) == [
            "type", "format", "seq", "action", "name", "spec_digest", "metadata",
            "target_seq", "parent_seq", "created_at", "hash",
        ]  # fmt: skip
        assert entry["created_at"] == created_at

    def test_takes_a_spec_in_every_form(self, aivcs, specs):
        aivcs.ok("release", "promote", "other", specs[0], "--label", "v1")
        for text in (
            specs[0],
            specs[0].upper(),
            specs[0][:5],
            "other@current",
            "other@1",
            "other@v1",
        ):
            assert aivcs.ok("release", "promote", "bot", text).text == specs[0]

    def test_refuses_a_prefix_that_fits_two_blobs(self, aivcs, same_beginning, unchanged):
        one, other, short = same_beginning
        aivcs.put(one)
        aivcs.put(other)
        with unchanged:
            assert aivcs("release", "promote", "bot", short, code=13).complaint

    @pytest.mark.parametrize(
        ("spec", "code"),
        [("", 2), ("word", 2), ("bot@", 2), (ABSENT, 12), ("0000", 12), ("x@current", 12)],
    )
    def test_refuses_a_spec_that_is_none(self, aivcs, specs, unchanged, spec, code):
        aivcs.ok("release", "promote", "bot", specs[0])
        with unchanged:
            assert aivcs("release", "promote", "bot", spec, code=code).complaint
            assert aivcs("release", "promote", "new", spec, code=code).complaint

    def test_takes_a_missing_spec_if_that_is_said(self, aivcs):
        done = aivcs.ok("release", "promote", "bot", ABSENT, "--allow-missing-spec")
        assert done.text == ABSENT == live(aivcs)

    def test_records_the_same_again_without_spoiling_the_way_back(self, aivcs, specs):
        one, two, _ = specs
        for spec in (one, two, two, two):
            aivcs.ok("release", "promote", "bot", spec)
        assert [entry["parent_seq"] for entry in history(aivcs)] == [1, 1, 1, None]
        assert aivcs.ok("release", "rollback", "bot").text == one

    @pytest.mark.parametrize("name", BAD_NAMES, ids=repr)
    def test_refuses_a_name_that_is_none(self, aivcs, specs, unchanged, name):
        with unchanged:
            for command in (
                ("promote", name, specs[0]),
                ("rollback", name),
                ("current", name),
                ("current", name, "--default", "x"),
                ("history", name),
            ):
                done = aivcs("release", *command, code=2)
                assert done.complaint
                assert done.out == b""

    @pytest.mark.parametrize(
        "label",
        ["", "a b", "7", "0123", "abcd", "ABCDEF12", "f" * 64, "current", "none", "a\nb", "@v1",
         "-v1", "l" * 201, b"\xff"],
    )  # fmt: skip
    def test_refuses_a_label_that_reads_as_something_else(self, aivcs, specs, unchanged, label):
        with unchanged:
            assert aivcs("release", "promote", "bot", specs[0], "--label", label, code=2).complaint

    def test_reads_a_label_that_an_earlier_version_took(self, aivcs, specs):
        aivcs.ok("release", "promote", "bot", specs[0], "--label", "v1")
        log = aivcs.store / "releases" / "bot.jsonl"
        entry = json.loads(log.read_bytes())
        entry["metadata"]["version_label"] = "-v1"
        assert record_from(entry, "bot").metadata.version_label == "-v1"

    @pytest.mark.parametrize("label", ["v1", "1.2.3", "2026-01-31", "abc", "ünïcode", "f" * 65])
    def test_takes_a_label(self, aivcs, specs, label):
        aivcs.ok("release", "promote", "bot", specs[0], "--label", label)
        aivcs.ok("release", "promote", "bot", specs[1])
        assert aivcs.ok("release", "rollback", "bot", "--to", label).text == specs[0]

    @pytest.mark.parametrize("by", ["", "a\nb", "w" * 201, b"\xff"])
    def test_refuses_an_actor_that_is_none(self, aivcs, specs, unchanged, by):
        with unchanged:
            assert aivcs("release", "promote", "bot", specs[0], "--by", by, code=2).complaint

    def test_refuses_notes_that_are_no_text(self, aivcs, specs, unchanged):
        with unchanged:
            assert aivcs(
                "release", "promote", "bot", specs[0], "--notes", b"\xff", code=2
            ).complaint


class TestExpect:
    def test_none_means_that_nothing_was_released(self, aivcs, specs, unchanged):
        aivcs.ok("release", "promote", "bot", specs[0], "--expect", "none")
        with unchanged:
            aivcs("release", "promote", "bot", specs[1], "--expect", "none", code=15)

    @pytest.mark.parametrize("form", ["digest", "prefix", "upper", "@"])
    def test_is_met_by_what_is_live(self, aivcs, specs, unchanged, form):
        one, two, three = specs
        aivcs.ok("release", "promote", "bot", one)
        aivcs.ok("release", "promote", "bot", two)

        def expectation(digest, seq):
            return {
                "digest": digest, "prefix": digest[:6], "upper": digest.upper(), "@": f"@{seq}",
            }[form]  # fmt: skip

        with unchanged:
            for command in (("promote", "bot", three), ("rollback", "bot")):
                done = aivcs("release", *command, "--expect", expectation(one, 1), code=15)
                assert f"found @2 {two[:12]};" in done.complaint
                assert done.out == b""
        aivcs.ok("release", "promote", "bot", three, "--expect", expectation(two, 2))
        aivcs.ok("release", "rollback", "bot", "--expect", expectation(three, 3))
        assert live(aivcs) == two

    @pytest.mark.parametrize("text", ["", "v1", "@", "@x", "abc", "@-1", "null"])
    def test_refuses_what_is_no_expectation(self, aivcs, specs, unchanged, text):
        aivcs.ok("release", "promote", "bot", specs[0], "--label", "v1")
        with unchanged:
            aivcs("release", "promote", "bot", specs[1], "--expect", text, code=2)
            aivcs("release", "rollback", "bot", "--expect", text, code=2)

    def test_makes_no_log_for_a_new_name(self, aivcs, specs, unchanged):
        with unchanged:
            aivcs("release", "promote", "new", specs[0], "--expect", specs[0], code=15)
            aivcs("release", "promote", "new", specs[0], "--expect", "@1", code=15)

    def test_lets_one_of_two_win(self, aivcs, specs):
        _one, two, _three = specs
        for spec in specs:
            aivcs.ok("release", "promote", "bot", spec)
        racers = [
            aivcs.start("release", "rollback", "bot", "--expect", "@3",
                        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            for _ in range(4)
        ]  # fmt: skip
        results = [(racer.communicate(timeout=60)[0], racer.returncode) for racer in racers]
        assert sorted(code for _, code in results) == [0, 15, 15, 15]
        assert [out.decode().strip() for out, code in results if code == 0] == [two]
        assert live(aivcs) == two


class TestRollback:
    def test_steps_back_and_then_further_back(self, aivcs, specs, files):
        one, two, _three = specs
        for spec in specs:
            aivcs.ok("release", "promote", "bot", spec, "--by", "alice")
        done = aivcs.ok("release", "rollback", "bot", "--by", "bob", "--reason", "slow")
        assert done.text == two
        assert aivcs.ok("release", "rollback", "bot").text == one
        done = aivcs("release", "rollback", "bot", code=15)
        assert "previous" in done.complaint
        assert done.out == b""
        assert live(aivcs) == one
        entries = history(aivcs)
        assert [(e["seq"], e["action"], e["target_seq"]) for e in entries] == [
            (5, "rollback", 1), (4, "rollback", 2), (3, "promote", 3), (2, "promote", 2),
            (1, "promote", 1),
        ]  # fmt: skip
        assert entries[1]["metadata"] == {
            "version_label": None, "promoted_by": "bob", "notes": "slow",
        }  # fmt: skip
        assert len(files.read_chain(aivcs.release_log("bot"))) == 5

    def test_never_returns_to_what_was_rolled_back(self, aivcs, specs):
        one, two, three = specs
        aivcs.ok("release", "promote", "bot", one)
        aivcs.ok("release", "promote", "bot", two)
        aivcs.ok("release", "rollback", "bot")
        aivcs.ok("release", "promote", "bot", three)
        assert aivcs.ok("release", "rollback", "bot").text == one

    def test_tells_how_to_undo_and_that_works(self, aivcs, specs):
        one, two, _ = specs
        aivcs.ok("release", "promote", "bot", one)
        aivcs.ok("release", "promote", "bot", two)
        done = aivcs.ok("release", "rollback", "bot")
        undo = done.err.decode().splitlines()[-1].removeprefix("undo with: ")
        assert undo == "aivcs release rollback bot --to @2"
        assert aivcs.shell(undo).text == two
        assert aivcs.ok("release", "rollback", "bot").text == one

    @pytest.mark.parametrize("form", ["@SEQ", "label", "digest", "prefix", "upper"])
    def test_goes_to_a_target(self, aivcs, specs, form):
        one, _two, _three = specs
        for number, spec in enumerate(specs, 1):
            aivcs.ok("release", "promote", "bot", spec, "--label", f"v{number}")
        text = {
            "@SEQ": "@1", "label": "v1", "digest": one, "prefix": one[:4], "upper": one.upper(),
        }[form]  # fmt: skip
        assert aivcs.ok("release", "rollback", "bot", "--to", text).text == one
        (newest, *_) = history(aivcs)
        assert newest["target_seq"] == 1
        assert newest["metadata"]["version_label"] == "v1"
        assert newest["parent_seq"] is None

    @pytest.mark.parametrize(
        ("target", "code"),
        [("", 2), ("@9", 12), ("@0", 12), ("v9", 12), (ABSENT, 12), ("0000", 12), ("@x", 2)],
    )
    def test_refuses_a_target_that_never_was_live(self, aivcs, specs, unchanged, target, code):
        aivcs.ok("release", "promote", "bot", specs[0])
        with unchanged:
            done = aivcs("release", "rollback", "bot", "--to", target, code=code)
        assert done.complaint

    def test_a_bare_number_is_the_entry_with_that_number(self, aivcs, specs):
        for spec in specs[:2]:
            aivcs.ok("release", "promote", "bot", spec)
        assert aivcs.ok("release", "rollback", "bot", "--to", "1").text == specs[0]

    def test_refuses_a_stored_blob_that_was_never_released(self, aivcs, specs, unchanged):
        aivcs.ok("release", "promote", "bot", specs[0])
        with unchanged:
            done = aivcs("release", "rollback", "bot", "--to", specs[1], code=12)
        assert "promote" in done.complaint

    def test_refuses_a_prefix_that_fits_two_releases(self, aivcs, same_beginning, unchanged):
        one, other, short = same_beginning
        aivcs.ok("release", "promote", "bot", aivcs.put(one))
        aivcs.ok("release", "promote", "bot", aivcs.put(other))
        with unchanged:
            assert aivcs("release", "rollback", "bot", "--to", short, code=13).complaint

    def test_refuses_a_name_that_nothing_was_released_under(self, aivcs, unchanged):
        with unchanged:
            for arguments in ((), ("--to", "@1"), ("--to", "v1"), ("--expect", "none")):
                assert aivcs("release", "rollback", "new", *arguments, code=12).complaint


class TestCurrent:
    def test_prints_the_whole_digest(self, aivcs, specs):
        aivcs.ok("release", "promote", "bot", specs[0])
        done = aivcs.ok("release", "current", "bot")
        assert (done.text, done.err) == (specs[0], b"")

    def test_prints_the_record_as_json(self, aivcs, specs):
        aivcs.ok("release", "promote", "bot", specs[0])
        assert aivcs.ok("release", "current", "bot", "--json").json == history(aivcs)[0]

    def test_exits_12_for_an_unknown_name_unless_there_is_a_default(self, aivcs):
        done = aivcs("release", "current", "new", code=12)
        assert done.out == b""
        assert "promote new" in done.complaint
        for default in ("none", "", "a b"):
            assert aivcs.ok("release", "current", "new", "--default", default).text == default

    def test_ignores_the_default_when_something_is_live(self, aivcs, specs):
        aivcs.ok("release", "promote", "bot", specs[0])
        assert aivcs.ok("release", "current", "bot", "--default", "x").text == specs[0]

    def test_does_not_take_damage_for_nothing_released(self, aivcs, specs):
        aivcs.ok("release", "promote", "bot", specs[0])
        log = aivcs.release_log("bot")
        log.write_bytes(log.read_bytes().replace(b"promote", b"PROMOTE"))
        done = aivcs("release", "current", "bot", "--default", "x", code=14)
        assert done.out == b""
        assert "bot.jsonl line 1" in done.complaint


class TestHistory:
    def test_prints_tabs_whole_digests_and_no_header_newest_first(self, aivcs, specs):
        one, two, _ = specs
        aivcs.ok("release", "promote", "bot", one, "--by", "alice", "--label", "v1")
        aivcs.ok("release", "promote", "bot", two, "--by", "bob", "--notes", "a\tb\nc\u202e")
        newest, oldest = history(aivcs)
        assert [line.split("\t") for line in aivcs.ok("release", "history", "bot").lines] == [
            ["2", "promote", two, "-", newest["created_at"], "bob", "a\\tb\\nc\\u202e",
             "current", "0"],
            ["1", "promote", one, "v1", oldest["created_at"], "alice", "-", "superseded", "0"],
        ]  # fmt: skip
        assert newest["metadata"]["notes"] == "a\tb\nc\u202e"

    def test_is_cut_at_n_entries(self, aivcs, specs):
        for spec in specs:
            aivcs.ok("release", "promote", "bot", spec)
        for number in (0, 1, 2, 9):
            lines = aivcs.ok("release", "history", "bot", "-n", str(number)).lines
            assert [line.split("\t")[0] for line in lines] == ["3", "2", "1"][:number]

    @pytest.mark.parametrize("number", ["-1", "x", "1.5", ""])
    def test_refuses_a_number_that_is_none(self, aivcs, specs, number):
        aivcs.ok("release", "promote", "bot", specs[0])
        assert aivcs("release", "history", "bot", f"-n{number}" if number else "-n=", code=2)

    def test_exits_12_for_an_unknown_name(self, aivcs):
        assert aivcs("release", "history", "new", code=12).out == b""
        assert aivcs("release", "history", "new", "--json", "-n", "0", code=12).out == b""


class TestList:
    def test_prints_names_in_order(self, aivcs, specs):
        for name in ("zeta", "a/b", "alpha", "a", "a.b"):
            aivcs.ok("release", "promote", name, specs[0])
        names = ["a", "a.b", "a/b", "alpha", "zeta"]
        listed = [line.split("\t")[0] for line in aivcs.ok("release", "list").lines]
        assert listed == names
        records = aivcs.ok("release", "list", "--json").json_lines
        assert [record["name"] for record in records] == names
        assert records[0] == {**history(aivcs, "a")[0], "blocked": False}

    def test_prints_nothing_for_an_empty_store(self, aivcs):
        assert aivcs.ok("release", "list").out == b""


def test_ten_promotions_at_once_are_all_recorded_in_one_order(aivcs, specs, files):
    promoters = [
        aivcs.start("release", "promote", "bot", specs[n % 3], "--label", f"v{n}",
                    stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for n in range(10)
    ]  # fmt: skip
    for n, promoter in enumerate(promoters):
        out, err = promoter.communicate(timeout=60)
        assert (promoter.returncode, out.decode().strip()) == (0, specs[n % 3]), err
    entries = files.read_chain(aivcs.release_log("bot"))
    assert [entry["seq"] for entry in entries] == list(range(1, 11))
    assert {e["metadata"]["version_label"] for e in entries} == {f"v{n}" for n in range(10)}
    for entry in entries:
        number = int(entry["metadata"]["version_label"][1:])
        assert entry["spec_digest"] == specs[number % 3]
    assert live(aivcs) == entries[-1]["spec_digest"]


def test_names_do_not_disturb_one_another(aivcs, specs):
    aivcs.ok("release", "promote", "bot", specs[0])
    aivcs.ok("release", "promote", "bot/x", specs[1])
    before = aivcs.release_log("bot").read_bytes()
    aivcs.ok("release", "promote", "bot/x", specs[2])
    aivcs.ok("release", "rollback", "bot/x")
    assert aivcs.release_log("bot").read_bytes() == before
    assert json.loads(before)["name"] == "bot"


def test_a_chain_of_releases_can_be_checked_with_sha256sum_alone(aivcs, specs):
    for spec in specs:
        aivcs.ok("release", "promote", "bot", spec)
    done = aivcs.shell(
        "previous=\nwhile IFS= read -r line; do\n"
        'body=${line%,\\"hash\\":*}\n'
        'link=$(printf %s%s "$previous" "$body" | sha256sum | cut -c1-64)\n'
        'test "$line" = "$body,\\"hash\\":\\"$link\\"}" && echo right\n'
        "previous=$link\ndone < .aivcs/releases/bot.jsonl"
    )
    assert done.lines == ["right"] * 3, done


@pytest.fixture
def released(aivcs):
    """Two releases of an agent, v1 and v2, and the digests of their specs."""
    specs = []
    for label, content in (("v1", b'{"model":"small"}'), ("v2", b'{"model":"large"}')):
        specs.append(aivcs.put(content))
        aivcs.ok("release", "promote", "bot", specs[-1], "--label", label)
    return specs


@pytest.mark.parametrize(
    ("name", "which"), [("bot@current", 1), ("bot@1", 0), ("bot@2", 1), ("bot@v1", 0)]
)
def test_a_release_names_a_spec_wherever_one_is_expected(aivcs, released, name, which):
    spec = released[which]
    run = aivcs.ok("run", "start", "--agent", "bot", "--spec", name).text
    assert aivcs.record(run)["spec_digest"] == spec
    assert [r["run_id"] for r in aivcs.ok("run", "list", "--spec", name, "--json").json_lines] == [
        run
    ]
    assert aivcs.ok("release", "promote", "other", name).text == spec
    assert spec in aivcs("spec", "show", name, code=2).complaint  # a blob, but none with parts
    assert spec in aivcs("spec", "checkout", name, "out", code=2).complaint
    assert aivcs.ok("spec", "diff", name, spec, "--exit-code").out == b""
    aivcs.ok("blob", "pin", name)
    assert [pin.name for pin in (aivcs.store / "pins").iterdir()] == [spec]
    aivcs.ok("blob", "unpin", name)
    assert list((aivcs.store / "pins").iterdir()) == []


@pytest.mark.parametrize(
    "name", ["bot@", "bot@v9", "bot@7", "nobody@current", "@current", "bot@none"]
)
def test_a_release_that_is_not_there_is_no_spec(aivcs, released, unchanged, name):
    with unchanged:
        for words in (
            ["run", "start", "--agent", "bot", "--spec", name],
            ["run", "list", "--spec", name],
            ["release", "promote", "other", name],
            ["spec", "show", name],
            ["spec", "checkout", name, "out"],
            ["spec", "diff", name, "bot@current"],
            ["blob", "pin", name],
            ["blob", "unpin", name],
        ):
            assert aivcs(*words).code in {2, 12}, words


def call_of(aivcs, spec, agent, **parameters):
    """A completed run that called one tool."""
    run = aivcs.ok("run", "start", "--agent", agent, "--spec", spec).text
    words = [f"{key}={value}" for key, value in parameters.items()]
    aivcs.ok("run", "log", run, "tool_called", "tool_name=search", *words)
    aivcs.ok("run", "finish", run)
    return run


def test_diff_compares_what_is_live_with_what_it_replaced(aivcs, released):
    runs = [call_of(aivcs, spec, "bot", query=n) for n, spec in enumerate(released)]
    found = aivcs.ok("release", "diff", "bot", "--json").json
    assert (found["a"]["seq"], found["b"]["seq"], found["equal"]) == (1, 2, False)
    assert (found["specs"]["a"], found["specs"]["b"]) == tuple(released)
    assert found["specs"]["files"][0]["changes"] == [
        {"op": "replace", "path": "/model", "a": "small", "b": "large"}
    ]
    assert [found["runs"][side]["run_id"] for side in "ab"] == runs
    (changed,) = found["runs"]["param_changed"]
    assert changed["changes"] == [{"op": "replace", "path": "query", "a": "0", "b": "1"}]
    lines = aivcs.ok("release", "diff", "bot").lines
    assert lines[:3] == ["release\tbot@1\tbot@2", "label\tv1\tv2", "\t".join(["spec", *released])]
    assert '+"large"' in lines
    assert lines[-1] == 'param_changed\t1\t1\tsearch\tquery\t"0"\t"1"'


def test_diff_takes_the_releases_that_are_named(aivcs, released):
    aivcs.ok("release", "rollback", "bot")
    for words, seqs in [
        (["v2"], (2, 3)),
        (["@1", "v2"], (1, 2)),
        (["v2", "current"], (2, 3)),
        ([released[1][:8], "@1"], (2, 1)),
        (["@3", "@3"], (3, 3)),
    ]:
        found = aivcs.ok("release", "diff", "bot", *words, "--json").json
        assert (found["a"]["seq"], found["b"]["seq"]) == seqs
        done = aivcs("release", "diff", "bot", *words, "--exit-code")
        assert done.code == (seqs != (3, 3))


def test_diff_takes_the_newest_completed_run_of_the_agent(aivcs, released):
    call_of(aivcs, "bot@v1", "bot", query="old")
    newest = [call_of(aivcs, f"bot@{label}", "bot", query="new") for label in ("v1", "v2")]
    call_of(aivcs, "bot@v1", "another", query="other")
    aivcs.ok("run", "finish", aivcs.begin(content=b'{"model":"large"}'), "--exit-code", "1")
    found = aivcs("release", "diff", "bot", "--json", "--exit-code", code=1).json
    assert [found["runs"][side]["run_id"] for side in "ab"] == newest
    assert found["runs"]["equal"] is True


def test_diff_takes_the_run_that_spoke_for_a_release(aivcs, released):
    spoke, later = (call_of(aivcs, "bot@v2", "bot", query=n) for n in range(2))
    repo = Repository.open(aivcs.store)
    gone = Evidence("gone-elsewhere", repo.runs.head(spoke))
    evidence = [gone, Evidence(spoke, repo.runs.head(spoke))]
    spec = ContentDigest(released[1])
    repo.releases.change(
        "bot", lambda view: plan_promotion(view, spec, ReleaseMetadata("ci"), evidence=evidence)
    )
    found = aivcs.ok("release", "diff", "bot", "@2", "@3", "--json").json
    assert (found["runs"]["a"]["run_id"], found["runs"]["b"]["run_id"]) == (later, spoke)


def test_diff_of_a_rollback_takes_the_run_that_spoke_for_what_it_returned_to(aivcs, released):
    spoke = call_of(aivcs, "bot@v1", "bot", query="spoke")
    aivcs.ok("release", "promote", "bot", released[0], "--evidence", spoke)
    for spec in ("bot@v1", "bot@v2"):
        later = call_of(aivcs, spec, "bot", query="later")
    aivcs.ok("release", "promote", "bot", "bot@v2")
    aivcs.ok("release", "rollback", "bot")
    found = aivcs.ok("release", "diff", "bot", "v2", "--json").json
    assert (found["runs"]["a"]["run_id"], found["runs"]["b"]["run_id"]) == (later, spoke)


def test_diff_says_when_there_is_no_run_to_compare(aivcs, released):
    call_of(aivcs, "bot@v1", "bot", query=1)
    done = aivcs.ok("release", "diff", "bot")
    assert b"bot@2: no completed run" in done.err
    assert aivcs.ok("release", "diff", "bot", "--json").json["runs"] is None


def test_diff_of_what_is_not_there_is_refused(aivcs, released):
    aivcs("release", "diff", "nobody", code=12)
    assert "nope" in aivcs("release", "diff", "bot", "nope", code=12).complaint
    aivcs.ok("release", "promote", "single", released[0])
    assert "aivcs release diff single A" in aivcs("release", "diff", "single", code=12).complaint
    for words in (["", "v1"], ["bot", ""], ["bot", "v1", ""], ["bot", "v1", "--ignore", ""]):
        assert "empty" in aivcs("release", "diff", *words, code=2).complaint
