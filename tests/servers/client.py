"""A client of `test_postgres_history`: works through the contracts and notes what it was told.

Usage: python client.py URL RUN NAME CLIENT COUNT FILE
"""

import json
import random
import sys
import time

from aivcs.api import Repository
from aivcs.errors import (
    BackendError,
    ConflictError,
    InvalidRunStateError,
    LockTimeoutError,
    OutcomeUnknownError,
    UnreachableError,
)
from aivcs.model.digest import ContentDigest
from aivcs.model.release import ReleaseMetadata
from aivcs.model.run import RunEvent, RunSummary
from aivcs.store.settings import Settings


def main(url, run, name, client, count, path):
    repo = Repository.open(url, Settings(lock_timeout=60))
    chance = random.Random(client)
    with open(path, "a", buffering=1) as notes:
        for n in range(int(count)):
            op = chance.choice(["append"] * 8 + ["promote"] * 2)
            note = {"id": f"{client}.{n}", "op": op, "start": time.monotonic_ns()}
            if n == int(count) - 1 and client.startswith("last"):
                op = note["op"] = "finish"
            if op == "promote" and chance.random() < 0.5:
                live = repo.releases.current(name)
                note["expect"] = live and live.seq
            notes.write(json.dumps(note) + "\n")
            try:
                note["seq"] = act(repo, run, name, note)
                note["outcome"] = "ok"
            except (ConflictError, InvalidRunStateError, LockTimeoutError, UnreachableError):
                note["outcome"] = "refused"
            except OutcomeUnknownError:
                note["outcome"] = "unknown"
            except BackendError as error:
                note["outcome"], note["why"] = "refused", str(error)
            note["end"] = time.monotonic_ns()
            notes.write(json.dumps(note) + "\n")


def act(repo, run, name, note):
    match note["op"]:
        case "append":
            return repo.runs.append_event(run, RunEvent("e", {"id": note["id"]}))
        case "promote":
            digest = ContentDigest.from_bytes(note["id"].encode())
            by = ReleaseMetadata(promoted_by="x", notes=note["id"])
            return repo.releases.promote(name, digest, by, expect=note.get("expect")).seq
        case "finish":
            repo.runs.complete_run(run, RunSummary(success=True))
            return None


if __name__ == "__main__":
    main(*sys.argv[1:])
