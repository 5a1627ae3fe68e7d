"""The nearest same job of other tools, each as it is meant to be used, without any network.

What they do is less: none of them makes what it stores durable before it answers, nor chains it.
MLflow keeps its files in a folder (which it asks to be told is wanted), Weights & Biases
runs offline, DVC without a git repository, git-annex in a new one. Times are of whole processes,
but for those that say "imported": there each tool measures itself from before its run starts until
the run has ended.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from functools import partial
from itertools import count
from typing import TYPE_CHECKING

from benchmarks.harness import Done, Row
from benchmarks.stores import write_events, write_noise

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from benchmarks.harness import Bench

    Jobs = dict[str, tuple[str, Callable[[], Done]]]

PACKAGES = ("mlflow", "wandb", "dvc")
"""What is installed for comparison; git-annex is a package of the system."""
_EVENTS = 100
_VERSION, _EVENT = "tell the version", "log one event"
_RUN, _RUN_COMMANDS = f"a run of {_EVENTS} events", f"a run of {_EVENTS} events, by commands"
_RUN_IMPORTED = f"a run of {_EVENTS} events, imported"
_RUN_UNSYNCED = f"{_RUN_IMPORTED}, durability none"
_SMALL, _LARGE = "store 1 KiB", "store 100 MiB"
_JOBS = (_VERSION, _EVENT, _RUN, _RUN_COMMANDS, _RUN_IMPORTED, _RUN_UNSYNCED, _SMALL, _LARGE)
_TIMED = """
import time
{imports}
began = time.perf_counter()
{body}
print(time.perf_counter() - began)
"""
_ENVIRONMENT = {
    "MLFLOW_ALLOW_FILE_STORE": "true", "MLFLOW_DISABLE_TELEMETRY": "true", "WANDB_MODE": "offline",
    "WANDB_SILENT": "true", "WANDB_ERROR_REPORTING": "false", "DVC_NO_ANALYTICS": "1",
}  # fmt: skip


def install(folder: Path) -> None:
    """Makes an environment with the other tools in a folder."""
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    subprocess.run([folder / "bin" / "pip", "install", "-q", *PACKAGES], check=True)


def measure(bench: Bench) -> Iterator[Row]:
    """Yields each job of aivcs against each other tool that is there and has such a job."""
    others = list(_others(bench))
    if not others:
        return
    ours = _aivcs(bench)
    for job in _JOBS:
        jobs = [ours[job], *(tool[job] for tool in others if job in tool)]
        times = bench.compare(bench.size(5, 1), dict(jobs))
        mine = jobs[0][0]
        for other, taken in list(times.items())[1:]:
            yield Row(f"{job}: {mine}", times[mine], "s", other, taken, 1, 0.1)


def _others(bench: Bench) -> Iterator[Jobs]:
    for name, jobs in {"mlflow": _mlflow, "wandb": _wandb, "dvc": _dvc}.items():
        if bench.peers and (bench.peers / name).exists():
            yield jobs(_Tool(bench, name, bench.peers))
        else:
            bench.skip(f"{name} is not installed: --install-peers DIR")
    if shutil.which("git-annex"):
        yield _git_annex(_Tool(bench, "git-annex", bench.programs))
    else:
        bench.skip("git-annex is not installed; it is a package of the system")


class _Tool:
    """A tool with a folder of its own."""

    def __init__(self, bench: Bench, name: str, programs: Path) -> None:
        self.bench = bench
        self.folder = bench.folder / f"peer-{name}"
        self.folder.mkdir()
        self.programs = programs
        self._numbers = count()

    def call(self, program: str, *arguments: str, stdin: Path | None = None) -> Done:
        found = self.programs / program
        command = str(found) if found.exists() else program
        places = {
            "MLFLOW_TRACKING_URI": f"file:{self.folder}/mlruns",
            "DVC_SITE_CACHE_DIR": f"{self.folder}/cache",
        }
        environment = {**_ENVIRONMENT, **places}
        return self.bench.run(
            command, *arguments, cwd=self.folder, stdin=stdin, environment=environment
        )

    def script(self, imports: str, body: str, *arguments: str) -> Done:
        return self.call("python", "-c", _TIMED.format(imports=imports, body=body), *arguments)

    def imported(self, imports: str, body: str) -> Done:
        return Done(float(self.script(imports, body).out.split()[-1]))

    def file(self, size: int) -> str:
        """Makes a file that the tool has never seen, and returns its name."""
        name = f"artefact-{next(self._numbers)}"
        write_noise(self.folder / name, size)
        return name

    def stores(self, said: str, store: Callable[[str], Done]) -> Jobs:
        """The jobs that store a file."""
        large = self.bench.size(100 << 20, 1 << 20)
        return {
            _SMALL: (said, lambda: store(self.file(1024))),
            _LARGE: (said, lambda: store(self.file(large))),
        }


def _aivcs(bench: Bench) -> Jobs:
    tool = _Tool(bench, "aivcs", bench.programs)
    tool.call("aivcs", "init")
    (tool.folder / "spec").write_text("spec\n")
    write_events(tool.folder / "events", _EVENTS)
    lasting = tool.call("aivcs", "run", "start", "--agent", "bot", "--spec-file", "spec").out
    imports = "from aivcs import Repository, Settings"
    body = f"""
repo = Repository.discover(".", Settings(durability="full"))
spec = repo.blobs.put(b"spec")
with repo.start_run(spec, agent_name="bot") as run:
    for step in range({_EVENTS}):
        run.log("step", {{"step": step}})
"""
    commands = """
set -e
run=$(aivcs run start --agent bot --spec-file spec)
aivcs run log --stdin "$run" <events
aivcs run finish "$run"
"""
    log = partial(tool.call, "aivcs", "run", "log", lasting, "step", "step:=1")
    return {
        _VERSION: ("aivcs --version", partial(tool.call, "aivcs", "--version")),
        _EVENT: ("aivcs run log", log),
        _RUN: ("the Python API", partial(tool.script, imports, body)),
        _RUN_COMMANDS: ("start, log --stdin, finish", partial(tool.call, "sh", "-c", commands)),
        _RUN_IMPORTED: ("the Python API", partial(tool.imported, imports, body)),
        _RUN_UNSYNCED: (
            "the Python API",
            partial(tool.imported, imports, body.replace('"full"', '"none"')),
        ),
        **tool.stores("aivcs blob put", lambda name: tool.call("aivcs", "blob", "put", name)),
    }


def _mlflow(tool: _Tool) -> Jobs:
    imports = "import mlflow"
    run_id = tool.script(imports, "print(mlflow.start_run().info.run_id)").out.split()[0]
    body = f"""
with mlflow.start_run():
    for step in range({_EVENTS}):
        mlflow.log_metric("step", step, step=step)
"""
    event = f"mlflow.MlflowClient().log_metric({run_id!r}, 'step', 1)"
    command = ("artifacts", "log-artifact", "--run-id", run_id, "--local-file")
    run = ("MLflow, file store: log_metric", partial(tool.script, imports, body))
    return {
        _VERSION: ("mlflow --version", partial(tool.call, "mlflow", "--version")),
        _EVENT: ("MLflow, file store: log_metric", partial(tool.script, imports, event)),
        _RUN: run,
        _RUN_COMMANDS: run,
        _RUN_IMPORTED: (run[0], partial(tool.imported, imports, body)),
        _RUN_UNSYNCED: (run[0], partial(tool.imported, imports, body)),
        **tool.stores("mlflow artifacts log-artifact", lambda n: tool.call("mlflow", *command, n)),
    }


def _wandb(tool: _Tool) -> Jobs:
    imports = "import sys, wandb"
    body = """
run = wandb.init(project="bench")
for step in range({events}):
    run.log({{"step": step}}, step=step)
run.finish()
"""
    store = """
run = wandb.init(project="bench")
artefact = wandb.Artifact(sys.argv[1], type="bench")
artefact.add_file(sys.argv[1])
run.log_artifact(artefact)
run.finish()
"""
    whole = body.format(events=_EVENTS)
    run = ("W&B offline: init, log, finish", partial(tool.script, imports, whole))
    return {
        _VERSION: ("wandb --version", partial(tool.call, "wandb", "--version")),
        _EVENT: (run[0], partial(tool.script, imports, body.format(events=1))),
        _RUN: run,
        _RUN_COMMANDS: run,
        _RUN_IMPORTED: (run[0], partial(tool.imported, imports, whole)),
        _RUN_UNSYNCED: (run[0], partial(tool.imported, imports, whole)),
        **tool.stores("W&B offline: log_artifact", lambda name: tool.script(imports, store, name)),
    }


def _dvc(tool: _Tool) -> Jobs:
    tool.call("dvc", "init", "--no-scm", "-q")
    return {
        _VERSION: ("dvc --version", partial(tool.call, "dvc", "--version")),
        **tool.stores("dvc add", lambda name: tool.call("dvc", "add", "-q", name)),
    }


def _git_annex(tool: _Tool) -> Jobs:
    tool.call("git", "init", "-q")
    tool.call("git", "config", "user.email", "bench@localhost")
    tool.call("git", "config", "user.name", "bench")
    tool.call("git", "annex", "init", "-q")
    known = tool.file(1024)
    tool.call("git", "annex", "add", "-q", known)
    numbers = count()

    def event() -> Done:
        return tool.call("git", "annex", "metadata", "-q", known, "-s", f"step={next(numbers)}")

    return {
        _VERSION: ("git-annex version", partial(tool.call, "git-annex", "version")),
        _EVENT: ("git annex metadata FILE -s KEY=VALUE", event),
        **tool.stores("git annex add", lambda name: tool.call("git", "annex", "add", "-q", name)),
    }
