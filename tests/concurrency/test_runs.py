"""Many processes on one run: every event once, in one chain, and nothing behind the end."""

import hashlib
import json
import os
import signal
import subprocess
import threading
import time

import pytest
from crash.harness import entries, judge, require

EVENTS = 200
"""What each stream appends."""


@pytest.fixture(params=["here", "tmpfs"])
def anywhere(request, outside):
    """A folder with a store, on the file system of the tests and on a tmpfs."""
    if request.param == "here":
        outside.ok("init")
        yield outside
        return
    require(os.geteuid() == 0, "mounting a tmpfs needs root")
    command = ["mount", "-t", "tmpfs", "-o", "size=256m", "aivcs-test", str(outside.folder)]
    done = subprocess.run(command, capture_output=True, check=False)
    require(done.returncode == 0, f"a tmpfs cannot be mounted: {done.stderr!r}")
    outside.ok("init")
    yield outside
    subprocess.run(["umount", "-l", str(outside.folder)], check=True)


def append_streams(aivcs, run, writers, events=EVENTS):
    """Starts that many streams on one run; returns, for each, the seqs it acknowledged."""
    streams = []
    for writer in range(writers):
        path = aivcs.home / f"stream-{writer}"
        path.write_text(
            "".join(
                json.dumps({"kind": f"writer-{writer}", "payload": {"n": n, "pad": "x" * 150}})
                + "\n"
                for n in range(events)
            )
        )
        with path.open("rb") as file:
            streams.append(
                aivcs.start(
                    *("run", "log", "--stdin", "--print-seq", run),
                    stdin=file,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                )
            )
    answers = []
    for stream in streams:
        out, err = stream.communicate(timeout=120)
        assert stream.returncode == 0, err
        answers.append([int(line) for line in out.split()])
    return answers


def require_all_events(aivcs, run, answers, events=EVENTS):
    """The log has each event of each stream, at the seq that was printed, in one chain."""
    data = aivcs.run_log(run).read_bytes()
    assert data.endswith(b"\n")
    previous, found = b"", []
    for line in data[:-1].split(b"\n"):
        body = line[:-75]
        link = hashlib.sha256(previous + body).hexdigest().encode()
        assert line == body + b',"hash":"' + link + b'"}'
        found.append(json.loads(line))
        previous = link
    logged = [entry for entry in found if entry["type"] == "event"]
    assert [entry["seq"] for entry in logged] == list(range(1, len(answers) * events + 1))
    for writer, seqs in enumerate(answers):
        mine = [entry for entry in logged if entry["kind"] == f"writer-{writer}"]
        assert [entry["seq"] for entry in mine] == seqs
        assert [entry["payload"]["n"] for entry in mine] == list(range(events))


@pytest.mark.slow
def test_64_streams_of_200_events_each_make_one_chain_without_gap_or_repeat(anywhere):
    run = anywhere.begin()
    answers = append_streams(anywhere, run, 64)
    require_all_events(anywhere, run, answers)
    judge(anywhere.store)


def test_16_streams_of_200_events_each_make_one_chain_without_gap_or_repeat(anywhere):
    run = anywhere.begin()
    answers = append_streams(anywhere, run, 16)
    require_all_events(anywhere, run, answers)


@pytest.mark.parametrize("count", [32, pytest.param(400, marks=pytest.mark.slow)])
def test_one_process_for_each_event_leaves_none_out(aivcs, count):
    run = aivcs.begin()
    waiting, seqs = list(range(count)), []
    while waiting:
        now, waiting = waiting[:32], waiting[32:]
        processes = [
            aivcs.start(*("run", "log", "--print-seq", run, "k", f"n={n}"), stdout=subprocess.PIPE)
            for n in now
        ]
        for n, process in zip(now, processes, strict=True):
            out, _ = process.communicate(timeout=60)
            assert process.returncode == 0
            seqs.append((int(out), "k", {"n": str(n)}))
    assert judge(aivcs.store).events(run) == sorted(seqs, key=lambda event: event[0])
    assert [seq for seq, _, _ in sorted(seqs, key=lambda event: event[0])] == list(
        range(1, count + 1)
    )


def test_who_reads_beside_the_writers_sees_whole_lines_and_never_fewer(aivcs):
    run = aivcs.begin()
    over = threading.Event()
    complaints, looks = [], []

    def read():
        seen = 0
        while not over.is_set():
            done = aivcs("run", "events", run, "--json")
            seqs = [json.loads(line)["seq"] for line in done.out.splitlines()]
            if done.code or seqs != list(range(1, len(seqs) + 1)) or len(seqs) < seen:
                complaints.append((done.code, done.err, len(seqs), seen))
            seen = len(seqs)
            looks.append(seen)

    def verify():
        while not over.is_set():
            done = aivcs("verify")
            if done.code or b"no damage found\n" not in done.err:
                complaints.append((done.code, done.out, done.err))  # type: ignore[arg-type]

    readers = [threading.Thread(target=read), threading.Thread(target=verify)]
    for reader in readers:
        reader.start()
    try:
        answers = append_streams(aivcs, run, 6, events=1500)
    finally:
        over.set()
        for reader in readers:
            reader.join()
    assert not complaints
    assert looks
    require_all_events(aivcs, run, answers, events=1500)


@pytest.mark.parametrize("rounds", [4, pytest.param(40, marks=pytest.mark.slow)])
def test_a_run_that_is_finished_during_appends_has_every_event_it_acknowledged(aivcs, rounds):
    spec = aivcs.put(b"a spec\n")
    for turn in range(rounds):
        run = aivcs.ok("run", "start", "--agent", "bot", "--spec", spec).text
        writers = [
            aivcs.start(
                *("run", "log", "--print-seq", run, "k", f"n={n}"),
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
            for n in range(4)
        ]
        stream = aivcs.start(
            *("run", "log", "--stdin", "--print-seq", run),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        stream.stdin.write(b'{"kind":"s"}\n' * 20)
        stream.stdin.flush()
        time.sleep(0.02 * (turn % 8))
        finisher = aivcs.start("run", "finish", run)
        outputs = [writer.communicate(timeout=60) for writer in [*writers, stream]]
        assert finisher.wait(60) == 0
        assert {writer.returncode for writer in [*writers, stream]} <= {0, 15}, outputs
        acknowledged = sorted(int(word) for out, _ in outputs for word in out.split())
        *logged, end = entries(aivcs.run_log(run))[1:]
        assert end["type"] == "end"
        assert [entry["type"] for entry in logged] == ["event"] * len(logged)
        assert [entry["seq"] for entry in logged] == acknowledged
        assert end["summary"]["total_events"] == len(logged)


def test_who_holds_a_lock_and_stands_still_keeps_it(aivcs):
    run = aivcs.begin()
    before = aivcs.run_log(run).read_bytes()
    # It stops in the middle of its append: its lock taken, nothing written.
    holder = subprocess.Popen(
        ["flock", str(aivcs.run_log(run)), "sleep", "60"], start_new_session=True
    )
    try:
        while (
            subprocess.run(["flock", "-n", str(aivcs.run_log(run)), "true"], check=False).returncode
            == 0
        ):
            time.sleep(0.01)
        os.killpg(holder.pid, signal.SIGSTOP)
        for arguments in (["log", run, "k"], ["finish", run]):
            began = time.monotonic()
            done = aivcs("--lock-timeout", "0.5", "run", *arguments, code=11)
            assert 0.5 <= time.monotonic() - began < 5
            assert run in done.complaint
        assert aivcs.run_log(run).read_bytes() == before
        assert aivcs.events(run) == []  # reading takes no lock
    finally:
        os.killpg(holder.pid, signal.SIGKILL)
        holder.wait()
    aivcs.ok("run", "log", run, "k")


def test_a_writer_that_is_stopped_delays_others_and_loses_nothing(aivcs):
    run = aivcs.begin()
    lines = b'{"kind":"k"}\n' * 2000
    stream = aivcs.start("run", "log", "--stdin", run, stdin=subprocess.PIPE)
    stream.stdin.write(lines)
    stream.stdin.flush()
    time.sleep(0.1)
    stream.send_signal(signal.SIGSTOP)
    beside = aivcs("--lock-timeout", "0.3", "run", "log", run, "beside")
    assert beside.code in {0, 11}
    stream.send_signal(signal.SIGCONT)
    stream.stdin.close()
    assert stream.wait(60) == 0
    events = judge(aivcs.store).events(run)
    assert len(events) == 2000 + (beside.code == 0)
