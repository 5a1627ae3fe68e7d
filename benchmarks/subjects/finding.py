"""Finding a rare text in the logs of very many runs: with an index of texts, and by a scan.

The runs have 20 KB each, of sentences whose words are drawn from the sources of the interpreter's
own library, with names and numbers that no other run has. `grep -rF` and `cat` read the same files.
"""

from __future__ import annotations

import random
import re
import sysconfig
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from aivcs.log import run as rules
from aivcs.model.digest import ContentDigest
from aivcs.model.run import RunEvent, RunId, RunMetadata, RunRecord, RunStatus, RunSummary
from aivcs.model.timestamp import Timestamp
from aivcs.repository import Repository
from aivcs.store.settings import Settings
from benchmarks.harness import FLOOR, Done, Row

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.harness import Bench

_RARE = "needle-7f3a9c"
_CAT = 'find "$1" -name "*.jsonl" -print0 | xargs -0 cat'
_SPEC = ContentDigest.from_bytes(b"spec\n")


def measure(bench: Bench) -> Iterator[Row]:
    """Yields searches against the bare interpreter and `grep`, and the index against `cat`."""
    count = bench.size(25_000, 100)
    folder = bench.folder / "texts"
    folder.mkdir()
    _add_runs(folder, count)
    store = folder / ".aivcs"
    aivcs = partial(bench.run, bench.aivcs, cwd=folder)
    search = partial(aivcs, "run", "search", _RARE, code=1)
    grep = partial(bench.run, "grep", "-rF", _RARE, store / "runs", code=1)
    cat = partial(bench.run, "sh", "-c", _CAT, "sh", store / "runs", keep=False)
    aivcs("config", "set", "search.index", "never")
    aivcs("run", "list", "-n", "1")
    scans = bench.compare(bench.size(5, 1), {"grep": grep, "scan": search})
    what = f"search by a scan, {count:,} runs"
    yield Row(what, scans["scan"], "s", "grep -rF of the same logs", scans["grep"], 2)
    aivcs("config", "set", "search.index", "always")

    def index() -> Done:
        (store / "texts.sqlite").unlink(missing_ok=True)
        return search()

    made = bench.compare(1, {"cat": cat, "index": index})
    what = f"index of texts of {count:,} runs from nothing, after a scan"
    yield Row(what, made["index"], "s", "cat of the same logs", made["cat"], 3)
    warm = bench.compare(bench.size(20, 1), {FLOOR: bench.floor, "search": search})
    yield Row(f"search by the index, {count:,} runs", warm["search"], "s", FLOOR, warm[FLOOR], 10)


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
