"""What fills a store before anything is measured, by the shortest way that leaves a true store."""

from __future__ import annotations

import hashlib
import json
import os
import random
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from aivcs.api import Repository
from aivcs.log import chain, run as rules
from aivcs.model.digest import ContentDigest
from aivcs.model.release import ReleaseMetadata
from aivcs.model.run import RunEvent, RunId, RunMetadata, RunRecord, RunStatus
from aivcs.model.timestamp import Timestamp
from aivcs.store.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.harness import Bench

AGENTS = [f"team-{number % 5}/agent-{number}" for number in range(20)]
_TOOLS = ("search", "read_file", "write_file", "shell", "browser")


def add_releases(folder: Path, name: str, count: int) -> None:
    """Promotes two specs in turn, in one process that waits for no disk."""
    store = _open(folder)
    specs = [store.blobs.put(f"spec {number}\n".encode()) for number in range(2)]
    for number in range(count):
        metadata = ReleaseMetadata("ci", version_label=f"v{number}")
        store.releases.promote(name, specs[number % 2], metadata)


def write_events(path: Path, count: int) -> None:
    """Writes events of 200 bytes each, as `run log --stdin` takes them."""
    with path.open("w") as file:
        for number in range(count):
            payload = {
                "tool_name": "search",
                "step": number,
                "args": {"query": f"how to parse dates {number}", "limit": 10},
            }
            event = {"kind": "tool_called", "payload": payload}
            room = 199 - len(json.dumps({**event, "payload": {**payload, "note": ""}}))
            file.write(json.dumps({**event, "payload": {**payload, "note": "x" * room}}) + "\n")


def run_of_events(bench: Bench, folder: Path, count: int) -> str:
    """Starts a run, gives it events, and returns its id."""
    digest = str(_open(folder).blobs.put(b"spec\n"))
    lines = folder / f"events-{count}.jsonl"
    write_events(lines, count)
    run_id = bench.run(
        bench.aivcs, "run", "start", "--agent", "a", "--spec", digest, cwd=folder
    ).out
    bench.run(bench.aivcs, "run", "log", "--stdin", run_id, cwd=folder, stdin=lines)
    lines.unlink()
    return run_id


def of_runs(bench: Bench, count: int) -> Path:
    """Returns the folder of a store with this many runs, made when it is first asked for."""
    folder = bench.folder / f"runs-{count}"
    if not folder.exists():
        folder.mkdir()
        add_runs(folder, count)
    return folder


def add_runs(folder: Path, count: int, *, seed: int = 1, days: float = 365.0) -> None:
    """Completes a store with runs of the last `days`, 4 to 11 events each, one in 1000 running."""
    store = _open(folder)
    chance = random.Random(seed)
    specs = [store.blobs.put(f"spec {number}\n".encode()) for number in range(40)]
    now = datetime.now(UTC)
    for number in range(count):
        status = "RUNNING" if number % 1000 == 0 else "COMPLETED"
        if chance.random() < 0.08 and status != "RUNNING":
            status = chance.choice(("FAILED", "FAILED", "CANCELLED"))
        created = now - timedelta(days=days * chance.random())
        run_id, log = _log_of_run(chance, chance.choice(specs), created, status)
        path = folder / ".aivcs" / "runs" / run_id[:2]
        path.mkdir(exist_ok=True)
        (path / f"{run_id}.jsonl").write_bytes(log)


def add_old_blobs(folder: Path, count: int) -> None:
    """Adds short blobs that pinned ones name, and as many that nothing does; all of last year."""
    store = _open(folder)
    then = (datetime.now(UTC) - timedelta(days=365)).timestamp()
    named = []
    for number in range(2 * count):
        content = b"%d" % number
        digest = hashlib.sha256(content).hexdigest()
        path = folder / ".aivcs" / "objects" / digest[:2]
        path.mkdir(exist_ok=True)
        (path / digest[2:]).write_bytes(content)
        os.utime(path / digest[2:], (then, then))
        if number % 2:
            named.append(digest)
    for start in range(0, count, 1000):
        store.pin(store.blobs.put(json.dumps(named[start : start + 1000]).encode()))


def write_noise(path: Path, size: int) -> None:
    """Writes a file that cannot be compressed."""
    with path.open("wb") as file:
        while size:
            size -= file.write(os.urandom(min(size, 1 << 20)))


def _open(folder: Path) -> Repository:
    return Repository.init(folder, settings=Settings(durability="none"))


def _log_of_run(
    chance: random.Random, spec: ContentDigest, created: datetime, status: str
) -> tuple[str, bytes]:
    """The id and the whole log of a run, sealed by the rules that the store itself follows."""
    record = RunRecord(
        run_id=RunId.random(),
        spec_digest=spec,
        metadata=RunMetadata(
            chance.choice(AGENTS),
            git_sha=f"{chance.getrandbits(160):040x}",
            tags={"ticket": str(chance.randrange(10_000)), "ci.pipeline": "nightly"},
        ),
        status=RunStatus.RUNNING,
        summary=None,
        created_at=Timestamp.from_datetime(created),
        completed_at=None,
    )
    line, _ = rules.encode_header(record)
    appender = rules.RunAppender(record.run_id, line[:-1], lambda _: None)
    moment = created
    for step in range(chance.randrange(4, 12)):
        moment += timedelta(seconds=chance.random() * 20)
        payload = {
            "tool": chance.choice(_TOOLS),
            "step": step,
            "args": ["x" * chance.randrange(60)],
        }
        appender.append(RunEvent("tool_called", payload, timestamp=Timestamp.from_datetime(moment)))
    lines = [line, *appender.lines]
    if status != "RUNNING":
        milliseconds = (moment - created) // timedelta(milliseconds=1)
        body = (
            f'{{"type":"end","status":"{status}","summary":{{"total_events":'
            f'{appender.state.count},"final_state_digest":null,"duration_ms":{milliseconds},'
            f'"success":{"true" if status == "COMPLETED" else "false"}}},'
            f'"completed_at":"{Timestamp.from_datetime(moment)}"'
        )
        lines.append(chain.link(body, appender.head)[0])
    return record.run_id, b"".join(lines)
