"""Tables: columns that no shell shifts, alike in a pipe and on a terminal, forced anywhere."""

import pytest


@pytest.fixture
def released(aivcs):
    """A name with a release that has neither label nor reason, of a spec that was blocked."""
    spec = aivcs.put(b"a spec\n")
    aivcs.begin("bot", b"a spec\n")
    aivcs.ok("release", "promote", "bot", spec, "--by", "me")
    aivcs.ok("config", "set", "policy.*.require_notes", "true")
    return spec


TABLES = (
    "release history bot", "release list", "release show bot", "run list", "run stats",
    "config list", "status", "release promote bot SPEC --dry-run", "spec diff SPEC OTHER",
)  # fmt: skip


@pytest.mark.parametrize("command", TABLES)
def test_no_cell_is_empty_in_a_pipe(aivcs, released, command):
    other = aivcs.put(b'{"a":""}')
    words = command.replace("SPEC", released).replace("OTHER", other).split()
    for line in aivcs(*words).lines:
        if line.count("\t"):
            assert "" not in line.split("\t"), line


def test_a_list_of_releases_has_the_columns_of_the_terminal(aivcs, released, terminal):
    (line,) = aivcs.ok("release", "list").lines
    name, digest, label, state, since, by = line.split("\t")
    assert (name, digest, label, state, by) == ("bot", released, "-", "current", "me")
    assert since.endswith("Z")
    header = terminal("release", "list", NO_COLOR="1").splitlines()[0]
    assert header.split() == ["NAME", "LIVE", "LABEL", "STATE", "SINCE", "BY"]


def test_a_table_and_colour_can_be_had_in_a_pipe(aivcs, released):
    for command in ("release history bot", "release list", "run list", "run stats"):
        plain = aivcs.ok(*command.split()).out
        table = aivcs.ok("--table", *command.split()).out.decode()
        colored = aivcs.ok("--color", "always", *command.split()).out.decode()
        assert b"\x1b" not in plain
        assert "\x1b[1m" in colored
        assert "\x1b" not in table
        assert table.splitlines()[0].split()[-1].isupper()
    run = aivcs.ok("run", "list").text.split("\t")[0]
    assert aivcs.ok("--table", "run", "show", run).out.startswith(b"run ")


def test_an_entry_of_a_history_takes_one_line_of_80_cells(aivcs, terminal):
    one, two = aivcs.put(b"one"), aivcs.put(b"two")
    run = aivcs.begin("bot", b"one")
    aivcs.ok("run", "finish", run)
    long = "a reason that takes more room than there is on a line, whatever the terminal shows " * 3
    words = ("--by", "Somebody With A Long Name <x@example.org>", "--notes", long)
    aivcs.ok("release", "promote", "bot", one, "--label", "2026.1.1", "--evidence", run, *words)
    aivcs.ok("release", "promote", "bot", two, "--label", "2026.1.2-rc.12", *words)
    aivcs.ok("release", "block", "bot", "2026.1.1", "--reason", long, "--by=eve")
    lines = terminal("release", "history", "bot", columns=80).splitlines()
    assert len(lines) == 4
    assert [line for line in lines if "\x1b[2mblock\x1b[0m" in line and one[:12] in line]
    shown = terminal("release", "history", "bot", columns=140, NO_COLOR="1")
    assert max(map(len, shown.splitlines())) <= 140
    assert "EVIDENCE" in shown
    plain = terminal("release", "history", "bot", "--no-marks", columns=80, NO_COLOR="1")
    assert [line.split()[0] for line in plain.splitlines()[1:]] == ["●", "1"]
    assert max(map(len, plain.splitlines())) <= 80
    assert len(aivcs.ok("release", "history", "bot").lines) == 2, "a program reads releases alone"


def test_status_shows_what_is_live_with_label_age_and_who(aivcs, released, terminal):
    assert aivcs.ok("status").lines[-1].split("\t")[:4] == ["live", "bot", released, "-"]
    *_, header, row = terminal("status", NO_COLOR="1").splitlines()
    assert header.split() == ["NAME", "LIVE", "LABEL", "STATE", "SINCE", "BY"]
    assert row.split()[:4] == ["bot", released[:12], "-", "current"]
    assert row.endswith(" me")


def test_one_is_not_many(aivcs, released):
    assert aivcs.ok("verify").err == b"read 1 blob, 1 run, 1 release: no damage found\n"
    assert aivcs.ok("gc", "--dry-run").err == b"would delete 0 blobs of 0 bytes\n"


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("run list --agent bto", "no agent bto; did you mean bot?"),
        ("run list --agent zzz --agent bot --status failed", "no agent zzz"),
        ("run stats --agent bto", "no agent bto; did you mean bot?"),
        ("release history bot --label v9", "no release of bot is labelled v9"),
        ("run list --agent bot --status failed", None),
        ("run list --agent bto --json", None),
    ],
)
def test_a_filter_that_fits_nothing_known_is_told_of(aivcs, released, line, hint):
    for table in ((), ("--table",)):
        done = aivcs.ok(*table, *line.split())
        assert done.err == (b"" if hint is None else f"hint: {hint}\n".encode())


def test_help_has_examples_and_whole_summaries_and_names_the_page(outside, terminal):
    for words in ((), ("run",), ("release",)):
        text = outside.ok(*words, "--help").out.decode()
        assert "…" not in text
        assert "...\n" not in text.partition("EXAMPLES")[0]
    text = outside.ok("release", "promote", "--help").out.decode()
    assert "\nEXAMPLES\n" in text
    assert text == outside.ok("help", "release", "promote").out.decode(), "help has one text"
    assert "    aivcs release promote" in text
    drawn = terminal("release", "promote", "--help")
    assert "Examples:" in drawn
    assert "aivcs help release promote, or man aivcs-release-promote" in drawn


@pytest.mark.parametrize("line", ["deploy", "run delete", "run list --output x"])
def test_what_is_not_near_is_not_suggested(outside, line):
    assert "did you mean" not in outside(*line.split(), code=2).complaint


def test_a_wide_list_of_runs_has_tags_and_the_release_of_the_spec(aivcs, released, terminal):
    aivcs.ok("release", "promote", "bot", released, "--label", "v1", "--notes", "x")
    aivcs.begin("bot", b"a spec\n", "--tag", "env=ci")
    wide = terminal("run", "list", columns=140, NO_COLOR="1").splitlines()
    assert wide[0].split()[-2:] == ["RELEASE", "TAGS"]
    assert wide[1].split()[-2:] == ["bot@v1", "env=ci"]
    assert wide[2].split()[-1] == "bot@v1"
    narrow = terminal("run", "list", columns=60, NO_COLOR="1").splitlines()
    assert max(map(len, narrow)) <= 60
    assert "TAGS" not in narrow[0]


def test_a_refused_gate_lists_the_runs_that_would_count(aivcs, released):
    aivcs.ok("config", "set", "policy.bot.require_runs", "2")
    runs = [aivcs.begin("bot", b"a spec\n") for _ in range(3)]
    for run in runs[:2]:
        aivcs.ok("run", "finish", run)
    words = ("release", "promote", "bot", released, "--notes", "x")
    done = aivcs(*words, "--evidence", runs[0], code=15)
    assert f"hint: completed runs of it: --evidence {runs[1]}\n" in done.err.decode()
    aivcs("release", "promote", "bot", released, *words[4:], "--evidence", runs[0],
          "--evidence", runs[1], code=0)  # fmt: skip


def test_an_error_on_a_terminal_breaks_no_word(aivcs, released, terminal):
    aivcs.ok("release", "block", "bot", "current", "--reason", "it " * 30)
    text = terminal("release", "promote", "bot", released, columns=70, code=15)
    assert max(map(len, text.splitlines())) <= 70
    assert text.count(released[:12]) == 2
    assert released not in text
