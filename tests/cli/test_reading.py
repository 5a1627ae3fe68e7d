"""What a person sees of runs on a terminal, and what a program reads of them in a pipe."""

import json
import os
import re

import pytest

TROUBLE = "no answer within 3 s"
EVENTS = [
    ("10:00:00.000", "graph_started", {"environment": "test"}),
    (
        "10:00:02.500",
        "message_added",
        {"role": "assistant", "content": "Look it up.\n\nThen mend."},
    ),
    ("10:00:02.600", "tool_called", {"tool_name": "find", "command": "find x.py", "step": 0}),
    ("10:00:03.400", "tool_returned", {"tool_name": "find", "observation": "1 match\nsrc/x.py\n"}),
    (
        "10:01:10.000",
        "tool_called",
        {"tool_name": "search", "call_id": "c1", "arguments": '{"query":"what is it"}'},
    ),
    (
        "10:01:10.500",
        "tool_called",
        {"tool_name": "search", "call_id": "c2", "arguments": {"query": "other"}},
    ),
    ("10:01:12.000", "tool_returned", {"tool_name": "search", "call_id": "c2", "result": "two"}),
    ("10:01:13.000", "tool_failed", {"tool_name": "search", "call_id": "c1", "error": TROUBLE}),
    ("10:01:13.000", "note", "日本語"),
    ("12:00:00.000", "tool_called", {"tool_name": "wait", "seconds": 30}),
]
AT_80 = """\
    +0ms          graph_started     environment=test
    +0ms   2.5s   assistant         Look it up. Then mend.
   +2.6s  800ms   find              x.py → 17 B  1 match src/x.py
  +1m10s   3.0s ✗ search            query="what is it" → no answer within 3 s
  +1m10s   1.5s   search            query=other → 3 B  two
  +1m13s    0ms   note              日本語
  +2h00m          wait              seconds=30 → no result yet

10 events, 4 tool calls, 1 message, 496 B, 1 error
"""
AT_40 = """\
    +0ms          graph_started
   environment=test
    +0ms   2.5s   assistant
   Look it up. Then mend.
   +2.6s  800ms   find
   x.py → 17 B  1 match src/x.py
  +1m10s   3.0s ✗ search
   query="what is it"
   no answer within 3 s
  +1m10s   1.5s   search
   query=other → 3 B  two
  +1m13s    0ms   note
   日本語
  +2h00m          wait
   seconds=30 → no result yet

10 events, 4 tool calls, 1 message, 496
B, 1 error
"""


def lines_of(events):
    return "".join(
        json.dumps({"kind": kind, "payload": payload, "timestamp": f"2026-01-31T{clock}Z"}) + "\n"
        for clock, kind, payload in events
    )


@pytest.fixture
def told(aivcs):
    """A run of which there is something to tell."""
    run = aivcs.begin("bot", b"a spec\n", "--tag", "env=test", "--git-sha", "c0ffee")
    aivcs.ok("run", "log", "--stdin", run, stdin=lines_of(EVENTS))
    return run


def timeline(text):
    """What stands below the record of the run."""
    return text.split("\n\n", 1)[1]


class TestShow:
    @pytest.mark.parametrize(("columns", "wanted"), [(80, AT_80), (40, AT_40)])
    def test_tells_a_person_what_the_run_did(self, terminal, told, columns, wanted):
        text = terminal("run", "show", told, columns=columns, NO_COLOR="1")
        assert timeline(text) == wanted

    def test_begins_with_what_there_is_to_say_of_the_run(self, aivcs, terminal, files, told):
        aivcs.ok("run", "finish", told, "--exit-code", "2", "--duration-ms", "7200000")
        text = terminal("run", "show", told, columns=80, NO_COLOR="1")
        head = text.split("\n\n", 1)[0].splitlines()
        spec = files.sha256(b"a spec\n")
        assert head[:6] == [
            f"run         {told}", "agent       bot", "status      failed (exit code 2)",
            f"spec        {spec}", "git commit  c0ffee", "tags        env=test",
        ]  # fmt: skip
        assert head[6].startswith("started     2")
        assert head[7:] == ["took        2 h 0 min", "events      10"]
        assert "no result\n" in text

    def test_of_a_long_run_shows_both_ends_and_what_failed(self, aivcs, terminal):
        run = aivcs.begin()
        events = [
            ("10:00:00.000", "step", {"number": n, **({"error": "bad"} if n == 500 else {})})
            for n in range(1, 1001)
        ]
        aivcs.ok("run", "log", "--stdin", run, stdin=lines_of(events))
        text = timeline(terminal("run", "show", run, columns=120, NO_COLOR="1"))
        seqs = [int(line.split()[0]) for line in text.splitlines() if line[:6].strip().isdigit()]
        assert seqs == [*range(1, 41), 500, *range(961, 1001)]
        short = run[:8]
        assert text.count("left out") == 2
        assert f"… 459 steps left out, seq 41 to 499; aivcs run events {short} has all\n" in text
        assert f"… 460 steps left out, seq 501 to 960; aivcs run events {short} has all\n" in text
        assert len(aivcs.ok("run", "events", short).lines) == 1000

    def test_folds_what_is_long_and_says_how_long_it_is(self, aivcs, terminal):
        run = aivcs.begin()
        content = "word " * 3000  # 15,000 bytes, and 14.6 KiB
        aivcs.ok("run", "log", run, "message", json.dumps({"role": "user", "content": content}))
        text = timeline(terminal("run", "show", run, columns=80, NO_COLOR="1"))
        line = text.splitlines()[0]
        assert line.endswith(" w… 15 KiB")
        assert len(line) <= 80

    @pytest.mark.parametrize("columns", [30, 59, 60, 100, 200])
    def test_breaks_no_line_of_any_width(self, aivcs, terminal, told, columns):
        from rich.cells import cell_len

        aivcs.ok(
            "run", "log", told, "喋る",
            json.dumps({"role": "利用者" * 30, "content": "語語 😀" * 500}),
        )  # fmt: skip
        aivcs.ok(
            "run", "log", told, "x_error", json.dumps({"tool": "日本" * 40, "error": "語" * 900})
        )
        text = timeline(terminal("run", "show", told, columns=columns, NO_COLOR="1"))
        assert "語" in text
        assert max(map(cell_len, text.splitlines())) <= columns

    def test_names_damage_behind_what_is_whole(self, aivcs, terminal, told):
        log = aivcs.run_log(told)
        log.write_bytes(log.read_bytes().replace(b"Look it up", b"Look it on"))
        text = terminal("run", "show", told, columns=200, code=14, NO_COLOR="1")
        assert "graph_started" in text
        assert f"{told}.jsonl line 3 is damaged" in text

    def test_in_a_pipe_is_names_and_values_only(self, aivcs, files, told):
        record, spec = aivcs.record(told), files.sha256(b"a spec\n")
        assert aivcs.ok("run", "show", told, env={"COLUMNS": "20"}).lines == [
            f"run\t{told}", "agent\tbot", "status\tRUNNING", f"spec\t{spec}",
            "git commit\tc0ffee", 'tags\t{"env":"test"}', f"created\t{record['created_at']}",
            "completed\t-",
        ]  # fmt: skip


class TestList:
    @pytest.fixture
    def listed(self, aivcs):
        """Ids of three runs, newest first."""
        runs = [
            aivcs.begin(name) for name in ("日本語のエージェント", "short", "team/long-" + "x" * 30)
        ]
        aivcs.ok("run", "log", runs[0], "k")
        aivcs.ok("run", "finish", runs[0], "--duration-ms", "3661000")
        aivcs.ok("run", "finish", runs[1], "--status", "failed", "--duration-ms", "12")
        return runs[::-1]

    def test_fits_a_terminal_of_any_width(self, terminal, files, listed):
        spec = files.sha256(b"a spec\n")[:12]
        one, two, three = (run[:8] for run in listed)
        for columns, wanted in (
            (40, [
                "RUN       AGENT           STATUS     AGE",
                f"{one}  team/long-xxx…  running     Ns",
                f"{two}  short           failed      Ns",
                f"{three}  日本語のエー…   completed   Ns",
            ]),
            (80, [
                "RUN       AGENT                      STATUS     AGE  SPEC          EVENTS   TOOK",
                f"{one}  team/long-xxxxxxxxxxxxxx…  running     Ns  {spec}       -      -",
                f"{two}  short                      failed      Ns  {spec}       0   12ms",
                f"{three}  日本語のエージェント       completed   Ns  {spec}       1  1h01m",
            ]),
        ):  # fmt: skip
            text = terminal("run", "list", columns=columns, NO_COLOR="1")
            *table, blank, total = text.splitlines()
            assert (blank, total) == ("", "3 runs: 1 running, 1 completed, 1 failed")
            assert [re.sub(r"( |\d)\ds", " Ns", line) for line in table] == wanted

    def test_says_that_there_is_none(self, aivcs, terminal):
        assert terminal("run", "list", NO_COLOR="1").splitlines()[-1] == "no runs"
        assert aivcs.ok("run", "list").out == b""


class TestStats:
    DURATIONS = (5, 1, 4, 2, 3, 10, 9, 8, 7, 6)

    @pytest.fixture
    def measured(self, aivcs):
        """Ten runs of a, of which two failed and one was cancelled, and one of b that goes on."""
        for number, duration in enumerate(self.DURATIONS):
            status = "failed" if number < 2 else "cancelled" if number == 2 else "completed"
            run = aivcs.begin("a")
            aivcs.ok(
                "run", "finish", run, "--status", status, "--duration-ms", str(duration * 1000)
            )
        return aivcs.begin("b")

    def test_counts_and_ranks_exactly(self, aivcs, measured):
        # Nearest rank of 1 … 10 seconds: the 5th, the 9th and the 10th; 7 of 9 completed.
        one, other = (line.split("\t") for line in aivcs.ok("run", "stats").lines)
        assert one[:-1] == ["a", "10", "0", "7", "2", "1", "0.7778", "5000", "9000", "10000"]
        assert other[:-1] == ["b", "1", "1", "0", "0", "0", "-", "-", "-", "-"]
        assert other[-1] == aivcs.record(measured)["created_at"]
        one, other = aivcs.ok("run", "stats", "--json").json_lines
        assert one["success_rate"] == 7 / 9
        assert one["duration_ms"] == {"p50": 5000, "p90": 9000, "p99": 10000}
        assert other["duration_ms"] == {"p50": None, "p90": None, "p99": None}
        assert sum(one["runs_per_day"]) == 10
        assert len(one["runs_per_day"]) == 14
        (only,) = aivcs.ok("run", "stats", "--agent", "b", "--json").json_lines
        assert only == other

    def test_selects_as_listing_does(self, aivcs, files, measured):
        spec = files.sha256(b"a spec\n")
        assert len(aivcs.ok("run", "stats", "--spec", spec, "--since", "1d").lines) == 2
        assert aivcs.ok("run", "stats", "--spec", "0" * 64).out == b""
        assert aivcs.ok("run", "stats", "--since", "2999-01-01").out == b""
        assert aivcs("run", "stats", "--agent", "", code=2).complaint
        assert aivcs("run", "stats", "--since", "soon", code=2).complaint

    def test_is_a_table_for_a_person(self, terminal, measured):
        text = terminal("run", "stats", columns=80, NO_COLOR="1")
        assert text.splitlines()[:3] == [
            "AGENT  RUNS  NOW  FAILED  SUCCESS   P50   P90    P99  LAST 14 DAYS",
            "a        10    -       2    77.7%  5.0s  9.0s  10.0s  ·············█",
            "b         1    1       -        -     -     -      -  ·············█",
        ]
        narrow = terminal("run", "stats", columns=40, NO_COLOR="1").splitlines()
        assert narrow[0] == "AGENT  RUNS  NOW  SUCCESS   P50   P90"
        assert max(map(len, narrow)) <= 40

    def test_of_an_empty_store_is_nothing(self, aivcs, terminal):
        assert aivcs.ok("run", "stats").out == aivcs.ok("run", "stats", "--json").out == b""
        assert "no runs" in terminal("run", "stats", NO_COLOR="1")

    def test_leaves_out_a_damaged_run_and_says_so(self, aivcs, measured):
        aivcs.run_log(measured).write_bytes(b"nonsense\n")
        done = aivcs("run", "stats", code=14)
        assert [line.split("\t")[0] for line in done.lines] == ["a"]
        assert measured in done.complaint


class TestPager:
    @pytest.fixture
    def pager(self, aivcs):
        """A pager that tells what it was given, and how less would be set."""
        path = aivcs.folder / "pager"
        path.write_text('#!/bin/sh\necho "pager $* LESS=$LESS"\nexec cat\n')
        path.chmod(0o755)
        return str(path)

    COMMANDS = (("run", "show", "@"), ("run", "list"), ("run", "stats"), ("run", "events", "@"))

    @pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
    def test_gets_what_a_terminal_would(self, terminal, told, pager, command):
        plain = terminal(*command, NO_COLOR="1", AIVCS_RUN=told)
        for env in ({"AIVCS_PAGER": f"'{pager}' -x"}, {"PAGER": f"{pager} -x"}):
            paged = terminal(*command, NO_COLOR="1", AIVCS_RUN=told, **env)
            first, _, rest = paged.partition("\n")
            assert first == "pager -x LESS=FRX"
            assert rest.splitlines()[0] == plain.splitlines()[0]
        assert terminal("--no-pager", *command, AIVCS_RUN=told, PAGER=pager)[:5] != "pager"
        assert terminal(*command, AIVCS_RUN=told, PAGER=pager, TERM="dumb")[:5] != "pager"
        assert terminal(*command, AIVCS_RUN=told, PAGER=pager, LESS="F").startswith(
            "pager  LESS=F\n"
        )

    def test_that_does_not_work_is_done_without(self, aivcs, terminal, told):
        no_program = aivcs.folder / "garbled"
        no_program.write_bytes(b"\0\1\2")
        no_program.chmod(0o755)
        for pager in ("/nonexistent", str(no_program), "", "cat", "'unended"):
            text = terminal("run", "show", told, NO_COLOR="1", PAGER=pager)
            assert timeline(text) == AT_80, pager

    def test_that_is_left_early_is_no_error(self, aivcs, terminal):
        run = aivcs.begin()
        lines = '{"kind":"k","payload":"%s"}\n' % ("x" * 500) * 2000
        aivcs.ok("run", "log", "--stdin", run, stdin=lines)
        text = terminal("run", "events", run, PAGER="head -1", columns=1000, NO_COLOR="1")
        assert len(text.splitlines()) == 1

    def test_is_not_the_stores_to_choose(self, aivcs, terminal, told, pager):
        (aivcs.store / "config.toml").write_text(f'[core]\npager = "{pager}"\n')
        text = terminal("run", "show", told, NO_COLOR="1")
        assert not any(line.startswith("pager") for line in text.splitlines())


@pytest.mark.skipif(not os.environ.get("AIVCS_TEST_TRACES"), reason="AIVCS_TEST_TRACES is not set")
def test_every_real_trace_can_be_read(aivcs, terminal):
    from pathlib import Path

    from rich.cells import cell_len

    for path in sorted(Path(os.environ["AIVCS_TEST_TRACES"]).glob("events/*.jsonl")):
        run = aivcs.begin(path.stem)
        aivcs.ok("run", "log", "--stdin", run, stdin=path.read_bytes())
        kinds = [json.loads(line)["kind"] for line in path.read_bytes().splitlines()]
        text = timeline(terminal("run", "show", run, columns=120, NO_COLOR="1"))
        steps, totals = text.split("\n\n")
        # Every call has its result, so a line each for all events but the results.
        assert len(steps.splitlines()) == len(kinds) - kinds.count("tool_returned")
        assert "no result" not in steps
        assert totals.startswith(f"{len(kinds)} events, {kinds.count('tool_called')} tool calls, ")
        assert max(map(cell_len, text.splitlines())) <= 120
