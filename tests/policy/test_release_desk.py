"""The example of a whole release desk, as a reader would run it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from isolation import NO_SYSTEM

SCRIPT = Path(__file__).resolve().parents[2] / "examples" / "release-desk.sh"
TRACES = Path(
    os.environ.get(
        "AIVCS_TEST_TRACES",
        Path(__file__).resolve().parents[2].parent / "shared" / "data" / "agent-traces",
    )
)


@pytest.mark.parametrize("traces", ["stand-ins", "real"])
def test_the_example_holds_all_of_its_promises(tmp_path, traces):
    for tool in ("jq", "ssh-keygen"):
        if shutil.which(tool) is None:
            pytest.skip(f"there is no {tool}")
    if traces == "real" and not TRACES.is_dir():
        pytest.skip(f"there are no traces in {TRACES}")
    (tmp_path / "bin").mkdir()
    command = tmp_path / "bin" / "aivcs"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m aivcs "$@"\n')
    command.chmod(0o755)
    (tmp_path / "desk").mkdir()
    done = subprocess.run(
        [str(SCRIPT), str(tmp_path / "desk")],
        env={
            "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}",
            **NO_SYSTEM,
            "HOME": str(tmp_path),
            "LC_ALL": "C.UTF-8",
            "AIVCS_ACTOR": "tester",
            "AIVCS_TEST_TRACES": str(TRACES) if traces == "real" else "",
        },
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "--- done: everything was as it should be" in done.stdout
    assert 'Good "aivcs-release@v1" signature for ada@example.com' in done.stdout
