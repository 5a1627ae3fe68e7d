"""Finding a rare text, the runs of a file, and the runs that are old, among very many.

The runs that are searched have 20 KB each, of sentences whose words are drawn from the sources of
the interpreter's own library, with names and numbers that no other run has. `grep -rF` and `cat`
read the same files. The runs that are pruned are those of the listing; `rm` removes the same files.
"""

from __future__ import annotations

import os
import random
import re
import sysconfig
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from aivcs.api import Repository
from aivcs.log import run as rules
from aivcs.model.digest import ContentDigest
from aivcs.model.run import RunEvent, RunId, RunMetadata, RunRecord, RunStatus, RunSummary
from aivcs.model.timestamp import Timestamp
from aivcs.store.settings import Settings
from benchmarks import stores
from benchmarks.harness import FLOOR, Done, Row

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.harness import Bench

_RARE = "needle-7f3a9c"
_CAT = 'find "$1" -name "*.jsonl" -print0 | xargs -0 cat'
_RM = 'xargs -0 rm <"$1" && sync -f "$2"'
_SPEC = ContentDigest.from_bytes(b"spec\n")


def measure(bench: Bench) -> Iterator[Row]:
    """Yields searches, `--uses` and pruning against the interpreter, `grep`, `cat` and `rm`."""
    yield from _search(bench)
    yield from _uses(bench)
    yield from _prune(bench)


def _search(bench: Bench) -> Iterator[Row]:
    count = bench.size(25_000, 100)
    folder, small = bench.folder / "texts", bench.folder / "texts-10"
    for place, runs in ((folder, count), (small, 10)):
        place.mkdir()
        _add_runs(place, runs)
    store = folder / ".aivcs"
    aivcs = partial(bench.run, bench.aivcs, cwd=folder)
    search = partial(aivcs, "run", "search", _RARE, code=1)
    grep = partial(bench.run, "grep", "-rF", _RARE, store / "runs", code=1)
    cat = partial(bench.run, "sh", "-c", _CAT, "sh", store / "runs", keep=False)
    for place in (folder, small):
        aivcs("config", "set", "search.index", "never", cwd=place)
        aivcs("run", "list", "-n", "1", cwd=place)
    scans = bench.compare(bench.size(5, 1), {"grep": grep, "scan": search})
    what = f"search by a scan, {count:,} runs"
    yield Row(what, scans["scan"], "s", "grep -rF of the same logs", scans["grep"], 2)
    yield _memory_of_search(bench, "a scan", {10: small, count: folder})
    for place in (folder, small):
        aivcs("config", "set", "search.index", "always", cwd=place)
    search(cwd=small)

    def index() -> Done:
        (store / "texts.sqlite").unlink(missing_ok=True)
        return search()

    made = bench.compare(1, {"cat": cat, "index": index})
    what = f"index of texts of {count:,} runs from nothing, after a scan"
    yield Row(what, made["index"], "s", "cat of the same logs", made["cat"], 3)
    warm = bench.compare(bench.size(20, 1), {FLOOR: bench.floor, "search": search})
    yield Row(f"search by the index, {count:,} runs", warm["search"], "s", FLOOR, warm[FLOOR], 10)
    yield _memory_of_search(bench, "the index", {10: small, count: folder})


def _memory_of_search(bench: Bench, by: str, places: dict[int, Path]) -> Row:
    (few, short), (many, long) = (
        (size, bench.memory(bench.aivcs, "run", "search", _RARE, cwd=place, code=1))
        for size, place in sorted(places.items())
    )
    what = f"search by {by}"
    return Row(f"{what}, {many:,} runs", long, "MiB", f"{what}, {few} runs", short, 2, 1.25)


def _uses(bench: Bench) -> Iterator[Row]:
    """Yields lists of the runs of a file that one spec in 40 is, and of one that none has."""
    count = bench.size(100_000, 100)
    listed = partial(bench.run, bench.aivcs, "run", "list", "-n", "20", "--uses")
    listed = partial(listed, cwd=stores.of_runs(bench, count))
    used, other = (ContentDigest.from_bytes(data) for data in (b"spec 0\n", b"other\n"))
    listed(used)  # makes the index
    jobs: dict[str, Callable[[], Done]] = {
        FLOOR: bench.floor,
        "a spec": partial(listed, used),
        "a file of no run": partial(listed, other),
    }
    times = bench.compare(bench.size(20, 1), jobs)
    for what in ("a spec", "a file of no run"):
        told = f"run list -n 20 --uses of {what}, {count:,} runs"
        yield Row(told, times[what], "s", FLOOR, times[FLOOR], 10)


def _prune(bench: Bench) -> Iterator[Row]:
    """Yields the pruning of the half of all runs that arrived two years ago."""
    count = bench.size(100_000, 100)
    source = stores.of_runs(bench, count)
    by_aivcs, by_rm = bench.folder / "pruned", bench.folder / "removed"
    for place in (by_aivcs, by_rm):
        bench.run("cp", "-a", source, place)
        logs = sorted(place.glob(".aivcs/runs/*/*.jsonl"))[::2]
        then = (datetime.now(UTC) - timedelta(days=730)).timestamp()
        for log in logs:
            os.utime(log, (then, then))
    names = bench.folder / "removed.names"
    names.write_bytes(b"".join(bytes(log) + b"\0" for log in logs))
    prune = ("run", "prune", "--older-than", "700d", "--max", str(count))
    bench.run(bench.aivcs, *prune, "--dry-run", cwd=by_aivcs)  # makes the index
    bench.settle()
    removed = bench.run("sh", "-c", _RM, "sh", names, by_rm)
    bench.settle()
    pruned = bench.run(bench.aivcs, *prune, cwd=by_aivcs)
    what = f"run prune of {len(pruned.out.splitlines()):,} of {count:,} runs"
    against = f"rm of {len(logs):,} of these files, and sync"
    yield Row(what, pruned.seconds, "s", against, removed.seconds, 2)


def _add_runs(folder: Path, count: int) -> None:
    chance = random.Random(7)
    library = Path(sysconfig.get_paths()["stdlib"])
    sources = [path.read_text(errors="replace") for path in sorted(library.glob("*.py"))[:80]]
    lines = [line for text in sources for line in text.splitlines() if line.strip()]
    words = sorted({word for text in sources for word in re.findall(r"[A-Za-z_]{4,14}", text)})
    Repository.init(folder, settings=Settings(durability="none"))
    now = datetime.now(UTC)
    for _ in range(count):
        created = now - timedelta(days=365 * chance.random())
        record = RunRecord(
            run_id=RunId.random(),
            spec_digest=_SPEC,
            metadata=RunMetadata(f"agent-{chance.randrange(20)}"),
            status=RunStatus.RUNNING,
            summary=None,
            created_at=Timestamp.from_datetime(created),
            completed_at=None,
        )
        first, _ = rules.encode_header(record)
        appender = rules.RunAppender(record.run_id, first[:-1], lambda _: None)
        size, wanted = 0, chance.expovariate(1 / 20_000)
        while size < wanted:
            begin = chance.randrange(len(lines) - 20)
            text = "\n".join(lines[begin : begin + chance.randrange(1, 20)])
            text += f" {chance.choice(words)} {chance.getrandbits(48):012x}"
            size += len(text) + 250
            payload = {"tool_name": "bash", "result": text}
            moment = Timestamp.from_datetime(created)
            appender.append(RunEvent("tool_returned", payload, timestamp=moment))
        end, _ = rules.encode_end(
            RunStatus.COMPLETED,
            RunSummary(success=True),
            appender.state,
            record.created_at,
            appender.head,
        )
        path = folder / ".aivcs" / "runs" / record.run_id[:2]
        path.mkdir(exist_ok=True)
        (path / f"{record.run_id}.jsonl").write_bytes(b"".join((first, *appender.lines, end)))
