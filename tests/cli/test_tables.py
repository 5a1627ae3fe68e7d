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
