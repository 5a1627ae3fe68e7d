"""`python -m tools.generate`: writes or checks the generated files."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

from aivcs.cli.parse.commands import ROOT, visible

_MAKERS = ("table", "completions", "man", "pages", "reference")


def generated() -> dict[str, str]:
    """Returns the content of every generated file by its path below the project."""
    found: dict[str, str] = {}
    for maker in _MAKERS:
        module = importlib.import_module(f"tools.generate.{maker}")
        found.update(module.files(ROOT if maker == "table" else visible(ROOT)))
    return found


def main(arguments: list[str]) -> int:
    """Writes what is stale, or with --check only names it; returns an exit code."""
    project = Path(__file__).parents[2]
    wanted = generated()
    present = {
        str(path.relative_to(project))
        for folder in ("completions", "man")
        for path in (project / folder).glob("*")
    }
    stale = sorted(
        name
        for name, content in wanted.items()
        if not (project / name).is_file() or (project / name).read_text("utf-8") != content
    )
    gone = sorted(present - wanted.keys())
    if "--check" in arguments:
        for name in stale + gone:
            print(f"{name} is stale: run python -m tools.generate")  # noqa: T201
        return 1 if stale or gone else 0
    for name in stale:
        (project / name).parent.mkdir(exist_ok=True)
        (project / name).write_text(wanted[name], "utf-8")
    for name in gone:
        (project / name).unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
