"""The pages whose commands are typed at a terminal, and the width of that terminal.

`python tests/docs/pages.py [NAME…]` writes into the pages what their commands print today, where it
is not what they show. Read the difference (`git diff`) before you keep it.
"""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

PROJECT = Path(__file__).parents[2]
VARYING = (
    (re.compile(r"(lines, head\n +)[0-9a-f]+\n(?: +[0-9a-f]+\n)*"), r"\1…\n"),
    (re.compile(r"runs/[0-9a-f]{2}/"), "runs/…/"),
    (
        re.compile(r"(has\s+the\s+hash\s+)[0-9a-f]{12}(,\s+but[\s\S]{1,90}?give\s+)[0-9a-f]{12}"),
        r"\1…\2…",
    ),
)
"""What is another each time, and what a page shows of it."""


class Page(NamedTuple):
    """A page, or a part of one, that is followed from a new home on."""

    name: str
    file: str
    begins: str = ""
    """Where in the file it begins: this heading, or the beginning of the file."""
    ends: str = ""
    """Where it ends: before this heading, or with the file."""
    columns: int = 100


PAGES = [
    Page("README.md, first screen", "README.md", "", "\n## Set up\n", 80),
    Page("README.md, tour", "README.md", "\n## A tour\n", "", 80),
    Page("tutorial.md", "docs/tutorial.md", columns=80),
    *(
        Page(name, f"docs/{name}")
        for name in (
            "ci.md", "comparing.md", "deploying.md", "exec.md", "forgetting.md", "moving.md",
            "proving.md",
            "reading.md", "releases.md", "report.md", "rolling-back.md", "secrets.md",
            "several-machines.md", "shell.md", "troubleshooting.md",
        )
    ),
]  # fmt: skip


def text_of(page: Page) -> str:
    """Returns the text of a page."""
    before, text, _ = _parts(page)
    assert text, f"{page.name}: {page.begins!r} is not in {page.file} behind {before[-20:]!r}"
    return text


def _parts(page: Page) -> tuple[str, str, str]:
    """What stands before a page in its file, the page, and what stands behind it."""
    whole = (PROJECT / page.file).read_text("utf-8")
    start = whole.index(page.begins) if page.begins else 0
    end = whole.index(page.ends, start) if page.ends else len(whole)
    return whole[:start], whole[start:end], whole[end:]


def refresh(page: Page) -> bool:
    """Writes what its commands print into a page; returns whether anything was different."""
    from docs.walkthrough import BLOCK, explain, follow, steps, visible

    before, text, after = _parts(page)
    todo = list(steps(text))
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "alice"
        home.mkdir()
        seen = iter(follow(todo, home, str(Path(sys.executable).parent), page.columns))

    def answered(block: re.Match[str]) -> str:
        kind, lines = block[1], []
        for step in steps(block[0]):
            got = next(seen)
            shown = step.shown
            if kind == "console" and explain(step, got):
                shown = [visible(line) for line in got.lines]
                if got.code:
                    print(f"{page.name}: exit {got.code}: {step.typed}")  # for a person to judge
            lines += [f"{'> ' if number else '$ '}{line}".rstrip()
                      for number, line in enumerate(step.typed.split("\n"))]  # fmt: skip
            lines += shown or []
        answers = "\n".join(["```console", *lines, "```"])
        for varying, shown in VARYING:  # type: ignore[assignment]
            answers = varying.sub(shown, answers)  # type: ignore[call-overload]
        return answers if kind == "console" else block[0]

    changed = BLOCK.sub(answered, text)
    (PROJECT / page.file).write_text(before + changed + after, "utf-8")
    return changed != text


if __name__ == "__main__":
    sys.path.insert(0, str(PROJECT / "tests"))
    for wanted in PAGES:
        if not sys.argv[1:] or any(part in wanted.name for part in sys.argv[1:]):
            print(f"{wanted.name}: {'changed' if refresh(wanted) else 'as it was'}")
