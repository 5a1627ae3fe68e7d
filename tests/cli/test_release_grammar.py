"""A release is named in one grammar, and a promotion does no more than was asked for."""

import json

import pytest


@pytest.fixture
def specs(aivcs):
    """Three specs; the first two were promoted as v1 by ann and v2 by bob, the first is live."""
    one, two, three = (aivcs.put(b"spec %d" % number) for number in (1, 2, 3))
    aivcs.ok("release", "promote", "coder", one, "--label", "v1", "--by=ann", "--reason", "first")
    aivcs.ok("release", "promote", "coder", two, "--label", "v2", "--by=bob", "--notes", "better")
    aivcs.ok("release", "rollback", "coder", "--by", "eve", "--notes", "worse")
    return one, two, three


WRITTEN = ("coder@v2", "coder v2", "coder --to v2", "coder@2", "coder @2", "coder coder@v2")


@pytest.mark.parametrize("written", WRITTEN)
def test_every_way_to_write_a_release_means_the_same(aivcs, specs, written):
    words = written.split()
    shown = aivcs.ok("release", "show", *words, "--json").json
    assert (shown["seq"], shown["metadata"]["promoted_by"]) == (2, "bob")
    assert shown["metadata"]["notes"] == "better"
    assert aivcs.ok("release", "verify", *words).out
    assert specs[1] in json.dumps(aivcs.ok("release", "provenance", *words).json)
    assert aivcs.ok("release", "rollback", *words, "--dry-run").text == specs[1]
    assert aivcs.ok("release", "block", *words, "--reason", "bad").text == specs[1]
    assert aivcs.ok("release", "unblock", *words, "--notes", "good").text == specs[1]


def test_two_releases_are_written_in_each_way(aivcs, specs):
    wanted = aivcs.ok("release", "diff", "coder", "v1", "v2").out
    for words in (("coder@v1", "v2"), ("coder@v1", "coder@v2"), ("coder", "coder@v1", "v2")):
        assert aivcs.ok("release", "diff", *words).out == wanted


def test_a_label_is_the_spec_of_a_release_of_the_name(aivcs, specs):
    assert aivcs.ok("release", "promote", "coder", "v2").text == specs[1]
    assert aivcs.ok("release", "promote", "coder", "@1").text == specs[0]


@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        ("release show coder@v1 v2", 2, "named twice, by v1 and by v2; write coder@v1, "),
        ("release rollback coder v1 --to v2", 2, "named twice"),
        ("release diff coder@v1 v2 v1", 2, "named twice"),
        ("release show coder@", 2, "write coder@current"),
        ("release history coder@v1", 2, "aivcs release history coder. About"),
        ("release current coder@v1", 2, "aivcs release show coder@v1"),
        ("release promote coder@v1 v2", 2, "aivcs release promote coder coder@v1"),
        ("release block coder --reason x", 2, "TARGET is missing"),
        ("release verify coder v9", 12, "coder has no entry v9"),
        ("spec show coder v1", 2, "did you mean coder@v1?"),
        ("spec show coder --to v1", 2, "NAME@LABEL or NAME@SEQ"),
        ("release promote coder THREE --label v2", 15, "or say --move-label"),
        ("release promote coder THREE --notes a --reason b", 2, "is given twice"),
        ("init -q", 2, "it comes before the command: aivcs -q … init"),
    ],
)  # fmt: skip
def test_a_release_written_otherwise_teaches(aivcs, specs, unchanged, line, code, said):
    with unchanged:
        done = aivcs(*line.replace("THREE", specs[2]).split(), code=code)
    assert said in done.complaint


def test_a_label_moves_only_when_asked_to(aivcs, specs):
    aivcs.ok("release", "promote", "coder", specs[1], "--label", "v2")
    aivcs.ok("release", "promote", "other", specs[2], "--label", "v2")
    aivcs.ok("release", "promote", "coder", specs[2], "--label", "v2", "--move-label")
    assert aivcs.ok("release", "show", "coder@v2", "--json").json["spec_digest"] == specs[2]


def test_what_is_live_already_is_recorded_only_if_something_changes(aivcs, specs, unchanged):
    with unchanged:
        done = aivcs.ok("release", "promote", "coder", specs[0], "--if-changed", "--label", "v1")
        assert done.text == specs[0]
        assert b"is live already; nothing was recorded" in done.err
        assert aivcs.ok("-q", "release", "promote", "coder", "v1", "--if-changed").err == b""
        record = aivcs.ok("release", "promote", "coder", "v1", "--if-changed", "--json").json
        assert record["seq"] == 3
        aivcs("release", "promote", "coder", "v1", "--if-changed", "--expect", "@2", code=15)
    aivcs.ok("release", "promote", "coder", "v1", "--if-changed", "--label", "v1.1")
    aivcs.ok("release", "promote", "coder", specs[2], "--if-changed")
    assert len(aivcs.ok("release", "history", "coder", "--limit", "9").lines) == 5


def test_quiet_hides_remarks_and_no_error(aivcs, specs):
    assert aivcs.ok("--quiet", "release", "rollback", "coder", "v2").err == b""
    assert aivcs("-q", "release", "current", "nobody", code=12).complaint
    assert aivcs.ok("-V").out == aivcs.ok("--version").out


def test_a_difference_takes_both_releases_by_name_and_seq(aivcs):
    for content in (b"one", b"two"):
        aivcs.ok("release", "promote", "bot", aivcs.put(content))
    asked = aivcs.ok("release", "diff", "bot", "@1", "@2").out
    assert aivcs.ok("release", "diff", "bot@1", "bot@2").out == asked
    assert aivcs.ok("release", "diff", "bot", "bot@1", "bot@2").out == asked
