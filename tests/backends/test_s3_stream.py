"""`run log --stdin` over S3: lines are read while a batch is being stored, and nothing is lost."""

import json
import select
import signal
import subprocess
import time
from contextlib import contextmanager

import obstore
import pytest
from servers.proxy import Proxy
from servers.s3 import fake

pytest.importorskip("obstore", reason="the extra s3 is not installed")
server = fake
LINE = json.dumps({"kind": "step", "payload": {"text": "x" * 200}}) + "\n"
MANY = 4 << 20
"""Bytes of a stream that are several batches."""


@pytest.fixture
def far(server, command_over):
    """The command over a store that is a while away, its proxy, and a run."""
    with Proxy(server) as proxy:
        command = command_over(server, proxy.url)
        command.ok("init")
        run = command.begin()
        proxy.delay = 0.05
        yield command, proxy, run
        proxy.delay = 0


def chunk_sizes(command, server, run):
    place = f"{command.prefix}/open/run/{run}!"
    return [meta["size"] for page in obstore.list(server.client(), place) for meta in page]


@contextmanager
def piped(command, *words):
    """The command with a pipe to write to, and two to read from."""
    with command.start(*words, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                       stderr=subprocess.PIPE, bufsize=0) as process:  # fmt: skip
        try:
            yield process
        finally:
            process.kill()


def test_a_batch_is_what_came_while_the_one_before_was_stored(far, server):
    command, proxy, run = far
    count = MANY // len(LINE)
    proxy.delay = 0.5
    command.ok("run", "log", "--stdin", run, stdin=LINE * count)
    proxy.delay = 0
    events = command.events(run)
    assert [event["seq"] for event in events] == list(range(1, count + 1))
    header, first, *others = chunk_sizes(command, server, run)
    assert header < first < 2 << 20  # sent as soon as it was worth a request
    assert len(others) <= 2
    command.ok("verify")


def test_a_batch_has_a_limit_whatever_the_length_of_lines(far, server):
    command, _, run = far
    short = '{"kind":"a"}\n'
    count = 100_000
    command.ok("run", "log", "--stdin", run, stdin=short * count)
    sizes = chunk_sizes(command, server, run)
    assert max(sizes) < 24 << 20  # 8 MiB, or one block of lines that were read at once
    assert sum(sizes) > count * 150


def test_a_program_that_waits_for_each_seq_gets_it(far):
    command, _, run = far
    with piped(command, "run", "log", "--stdin", "--print-seq", run) as process:
        for number in (1, 2, 3):
            process.stdin.write(LINE.encode())
            assert select.select([process.stdout], [], [], 60)[0]
            assert process.stdout.readline() == b"%d\n" % number
        process.stdin.close()
        assert process.wait(60) == 0


def test_a_bad_line_stops_behind_those_before_it(far):
    command, _, run = far
    count = (2 << 20) // len(LINE)
    lines = LINE * count + "{\n" + LINE
    done = command("run", "log", "--stdin", run, stdin=lines, code=2)
    assert f"line {count + 1}" in done.complaint
    assert f"{count} stored" in done.complaint
    assert len(command.events(run)) == count


def test_an_event_that_is_refused_is_named_when_later_ones_were_read(far):
    command, proxy, run = far
    proxy.delay = 0
    count = MANY // len(LINE)
    taken = json.dumps({"kind": "other", "payload": {}, "seq": 5}) + "\n"
    lines = LINE * 10 + taken + LINE * count
    done = command("run", "log", "--stdin", run, stdin=lines, code=15)
    assert "line 11: " in done.complaint
    assert "10 stored" in done.complaint
    assert len(command.events(run)) == 10


def test_the_end_of_the_run_is_told_though_no_more_lines_come(far, server, command_over):
    command, _, run = far
    near = command_over(server, prefix=command.prefix)
    with piped(command, "run", "log", "--stdin", run) as process:
        process.stdin.write(LINE.encode())
        while not near.events(run):
            assert process.poll() is None
        near.ok("run", "finish", run)
        process.stdin.write(LINE.encode())
        assert process.wait(60) == 15
        assert b"line 2: " in process.stderr.read()
    assert len(near.events(run)) == 1


@pytest.mark.parametrize(("fault", "code"), [("throttle", 75), ("drop", 0)])
def test_a_server_with_faults_loses_and_doubles_nothing(far, fault, code):
    command, proxy, run = far
    config = command.home / ".config" / "aivcs" / "config.toml"
    config.parent.mkdir(parents=True)
    config.write_text("[remote]\ntimeout = 1\n")
    command.ok("run", "log", "--stdin", run, stdin=LINE * 3)
    proxy.delay = 0
    proxy.match = lambda method, path: method == "PUT" and "/open/" in path
    proxy.fault = fault
    done = command("run", "log", "--stdin", run, stdin=LINE * (MANY // len(LINE)), code=code)
    proxy.fault = None
    stored = len(command.events(run))
    assert stored == 3 + (MANY // len(LINE) if code == 0 else 0)
    assert ("0 stored" in done.err.decode()) == (code == 75)
    command.ok("verify")


def test_an_interrupt_ends_it_though_a_batch_is_in_flight(far):
    command, proxy, run = far
    proxy.delay = 0
    with piped(command, "run", "log", "--stdin", "--print-seq", run) as process:
        process.stdin.write(LINE.encode())
        assert process.stdout.readline() == b"1\n"
        proxy.delayed, proxy.delay = 0, 30
        process.stdin.write(LINE.encode())
        while not proxy.delayed:
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        assert process.wait(15) in {130, -signal.SIGINT}
