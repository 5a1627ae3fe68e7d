"""The action of this repository, its steps executed as the runner executes them."""

import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml
from ci.systems import GITHUB
from command import BESIDE

from aivcs import Repository

PROJECT = Path(__file__).parents[2]
ACTION = yaml.safe_load((PROJECT / "action.yml").read_text())


class Runner:
    """Executes the steps of the action with some inputs."""

    def __init__(self, command, tmp_path, **inputs):
        self.command = command
        self.inputs = {
            name: inputs.pop(name.replace("-", "_"), given.get("default"))
            for name, given in ACTION["inputs"].items()
        }
        assert not inputs
        assert None not in self.inputs.values(), "a required input is missing"
        self.temp = tmp_path / "runner"
        self.temp.mkdir()
        self.outputs: dict[str, dict[str, str]] = {}
        self.path: list[str] = []
        self.summary = self.log = ""
        self.uploaded: list[dict[str, str]] = []
        self.failed = 0

    def look_up(self, name):
        where, *rest = name.split(".")
        if where == "inputs":
            return self.inputs[rest[0]]
        if where == "steps":
            return self.outputs.get(rest[0], {}).get(rest[2], "")
        return {"github.action_path": str(PROJECT)}[name]

    def value(self, text):
        return re.sub(r"\$\{\{ (.*?) \}\}", lambda m: self.look_up(m[1]), text)

    def holds(self, condition):
        for part in condition.split(" && "):
            if part == "always()":
                continue
            name, sign, text = part.split(" ")
            if (self.look_up(name) == text.strip("'")) is not (sign == "=="):
                return False
        return True

    def run(self):
        for step in ACTION["runs"]["steps"]:
            condition = step.get("if", "")
            if "always()" not in condition and self.failed:
                continue
            if condition and not self.holds(condition):
                continue
            if "uses" in step:
                given = {name: self.value(str(text)) for name, text in step["with"].items()}
                self.uploaded.append(given)
            else:
                self.execute(step)
        return self

    def execute(self, step):
        assert "${{" not in step["run"], "data in a script would be a part of it"
        assert step["shell"] == "bash"
        files = {}
        for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY", "GITHUB_PATH", "GITHUB_ENV"):
            (self.temp / name).write_text("")
            files[name] = str(self.temp / name)
        path = os.pathsep.join([*self.path, os.environ["PATH"]])
        environment = self.command.environment(
            **{**GITHUB, "PATH": path, "RUNNER_TEMP": str(self.temp), **files},
            **{name: self.value(text) for name, text in step.get("env", {}).items()},
        )
        # As the runner starts bash: https://docs.github.com/actions/reference/workflow-syntax
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
            cwd=self.command.folder, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        self.log += done.stdout + done.stderr
        self.failed = self.failed or done.returncode
        lines = (self.temp / "GITHUB_OUTPUT").read_text().splitlines()
        if "id" in step:
            self.outputs[step["id"]] = dict(line.split("=", 1) for line in lines)
        self.path += (self.temp / "GITHUB_PATH").read_text().split()
        self.summary += (self.temp / "GITHUB_STEP_SUMMARY").read_text()


@pytest.fixture
def action(outside, tmp_path, monkeypatch):
    """Executes the action; installing it is replaced by what is installed already."""
    if not BESIDE.exists():
        pytest.skip("the command is not installed")
    fakes = tmp_path / "fakes"
    fakes.mkdir()
    (fakes / "python3").write_text(f"""#!/bin/sh
[ "$1 $2" = "-m venv" ] || exec {PROJECT}/no-such-python "$@"
mkdir -p "$3/bin"
cat >"$3/bin/pip" <<'END'
#!/bin/sh
case "$1 $2 $3" in "install --quiet {PROJECT}"*) ;; *) exit 1 ;; esac
END
chmod +x "$3/bin/pip"
ln -s {BESIDE} "$3/bin/aivcs"
""")
    (fakes / "python3").chmod(0o755)
    monkeypatch.setenv("PATH", f"{fakes}{os.pathsep}{os.environ['PATH']}")
    (outside.folder / "spec.json").write_text("{}")
    return lambda **inputs: Runner(outside, tmp_path, **inputs).run()


def test_records_the_command_and_keeps_a_report(action, outside):
    done = action(agent="reviewer", spec_file="spec.json", run="echo checked")
    assert done.failed == 0, done.log
    (run,) = outside.ok("run", "list", "--json").json_lines
    assert run["metadata"]["agent_name"] == "reviewer"
    assert run["status"] == "COMPLETED"
    assert run["metadata"]["tags"]["ci.system"] == "github"
    assert done.outputs["run"] == {"run-id": run["run_id"]}
    assert done.uploaded == [{"path": "aivcs-report.html", "archive": "False"}]
    assert run["run_id"] in (outside.folder / "aivcs-report.html").read_text()
    assert "checked" in done.log
    assert "Run of reviewer" in done.summary


def test_a_failing_command_fails_the_step_and_is_reported(action, outside):
    done = action(agent="reviewer", spec_file="spec.json", run="echo 'No such file' >&2; exit 3")
    assert done.failed == 3, done.log
    (run,) = outside.ok("run", "list", "--json").json_lines
    assert run["status"] == "FAILED"
    assert done.uploaded
    assert "No such file" in (outside.folder / "aivcs-report.html").read_text()
    assert "::error" in done.log


@pytest.mark.parametrize("code", [0, 3])
def test_run_goes_to_the_store_that_lasts_and_its_releases_are_there(
    action, outside, tmp_path, code
):
    remote = Repository.init(tmp_path / "lasts")
    spec = remote.blobs.put(b"spec")
    remote.promote("reviewer", spec, by="ada", label="v1")
    done = action(
        agent="reviewer", spec="reviewer@v1", run=f"exit {code}", remote=f"{tmp_path}/lasts/.aivcs"
    )
    assert done.failed == code, done.log
    (run,) = remote.runs.iter_runs()
    assert (run.run_id, run.spec_digest) == (done.outputs["run"]["run-id"], spec)


def test_inputs_are_data(action, outside):
    text = 'a"; touch evil; "$(touch evil)`touch evil`'
    done = action(agent=text, spec_file=text, store=text, run="true")
    assert done.failed == 125
    assert not list(outside.folder.rglob("evil"))


def test_the_command_is_a_script_in_which_a_failure_counts(action):
    assert action(agent="a", spec_file="spec.json", run="false | true\necho no").failed == 1


def test_a_mistake_leaves_a_report_of_what_there_is(action, outside):
    done = action(agent="reviewer", run="true")
    assert done.failed == 125
    assert done.outputs["run"] == {}
    assert done.uploaded
    done = outside.ok("run", "list")
    assert done.out == b""


def test_nothing_is_uploaded_that_is_not_wanted(action):
    assert action(agent="a", spec_file="spec.json", run="true", upload="false").uploaded == []
