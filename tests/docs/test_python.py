"""What the pages show of Python is executed as it stands."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)
BEFORE = {
    "docs/python.md": "",
    "README.md": """
import aivcs
before = aivcs.Repository.init(".")
digest = before.blobs.put(b"A reviewer.")
before.releases.promote("reviewer", digest, aivcs.ReleaseMetadata("alice"))
""",
}


@pytest.mark.parametrize("page", BEFORE)
def test_the_blocks_of_a_page_are_one_program_that_succeeds(outside, page):
    blocks = BLOCK.findall((PROJECT / page).read_text("utf-8"))
    assert blocks
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", "\n".join([BEFORE[page], *blocks])],
        cwd=outside.folder,
        env=outside.environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert outside.ok("verify").code == 0
    assert outside.ok("release", "current", "reviewer").text
