"""The examples for systemd and Kubernetes: valid, and their commands do what they say."""

import configparser
import os
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

EXAMPLES = Path(__file__).parents[2] / "examples"
UNIT = EXAMPLES / "aivcs-watch@.service"
PODS = EXAMPLES / "kubernetes.yaml"


def test_the_unit_is_valid(tmp_path):
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    unit = tmp_path / "aivcs-watch@reviewer.service"
    unit.write_text(UNIT.read_text().replace("/usr/local/bin/aivcs", "/bin/true"))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--recursive-errors=no", unit],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    complaints = [line for line in done.stderr.splitlines() if "aivcs-watch" in line]
    assert complaints == []


def test_the_command_of_the_unit_deploys_what_is_live(aivcs, release, tmp_path, programs):
    release("one", name="reviewer")
    unit = configparser.RawConfigParser(strict=False)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read_string(UNIT.read_text())
    words = unit["Service"]["ExecStart"].split()
    known = {
        "/usr/local/bin/aivcs": f"{programs}/aivcs", "${STATE_DIRECTORY}": str(tmp_path / "state"),
        "%i": "reviewer", "/srv/agents/%i": str(tmp_path / "agent"),
    }  # fmt: skip
    words = [known.get(word, word) for word in words]
    words.insert(words.index("watch") + 1, "--once")
    subprocess.run(words, cwd=aivcs.folder, env=aivcs.environment(), check=True)
    assert (tmp_path / "agent/current/prompts/main.md").read_text() == "one"
    assert (tmp_path / "state/cursor.json").exists()


def test_the_commands_of_the_pod_deploy_what_is_signed(aivcs, release, tmp_path, programs):
    if shutil.which("ssh-keygen") is None:
        pytest.skip("there is no ssh-keygen")
    rules, deployment = yaml.safe_load_all(PODS.read_text())
    pod = deployment["spec"]["template"]["spec"]
    checkout, watch = pod["initContainers"][0]["command"], pod["containers"][1]["command"]
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    etc = tmp_path / "etc/aivcs"
    etc.mkdir(parents=True)
    for name, text in rules["data"].items():
        public = " ".join(key.with_suffix(".pub").read_text().split()[:2])
        text = text.replace("/etc/xdg", str(tmp_path / "etc"))
        (etc / name).write_text(text.replace("ssh-ed25519 AAAA...", public))
    fakes = tmp_path / "bin"
    fakes.mkdir()
    (fakes / "pkill").write_text('#!/bin/sh\necho "$@" >"$PKILLED"\n')
    (fakes / "pkill").chmod(0o755)
    environment = aivcs.environment(
        XDG_CONFIG_DIRS=str(tmp_path / "etc"), PKILLED=str(tmp_path / "pkilled"),
        PATH=f"{fakes}:{programs}:{os.environ['PATH']}",
    )  # fmt: skip

    def execute(words, *more):
        words = [
            word.replace("/agent", str(tmp_path / "agent")).replace("/state", str(tmp_path / "s"))
            for word in words
        ]
        at = words.index("watch") + 1 if "watch" in words else len(words)
        return subprocess.run(
            [*words[:at], *more, *words[at:]], cwd=aivcs.folder, env=environment, check=False,
            capture_output=True,
        )  # fmt: skip

    release("unsigned", name="reviewer")
    assert execute(checkout).returncode == 15
    assert not (tmp_path / "agent/current").exists()
    release("one", "--signing-key", str(key), name="reviewer")
    assert execute(checkout).returncode == 0
    release("two", "--signing-key", str(key), name="reviewer")
    assert execute(watch, "--once").returncode == 0
    assert (tmp_path / "agent/current/prompts/main.md").read_text() == "two"
    assert (tmp_path / "pkilled").read_text() == "-HUP -x reviewer\n"
