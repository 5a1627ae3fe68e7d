"""`aivcs help`, and `--help` where the output is not a terminal."""

from __future__ import annotations

import shutil

from aivcs.cli.help._pages import PAGES
from aivcs.cli.render import output as render
from aivcs.cli.session import shipped
from aivcs.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from aivcs.cli.session.context import Context


def show(context: Context, words: list[str], as_json: bool) -> None:
    """Prints the manual of a command: through man on a terminal that has it, else as text."""
    name = " ".join(words)
    if name not in PAGES:
        raise UsageError(_missing(words))
    if as_json:
        from aivcs.cli.help import as_json as declarations

        context.write(render.json_line(declarations.as_json(words[words[:1] == ["aivcs"] :])))
        return
    if words and context.is_terminal() and context.pager and _show_by_man(context, name):
        return
    with render.output(context) as out:
        out.write(PAGES[name])


def _missing(words: list[str]) -> str:
    """Returns the message about an unknown command, with the nearest known one."""
    from aivcs.cli.parse.nearness import nearest

    known = 0
    while " ".join(words[: known + 1]) in PAGES:
        known += 1
    before, word = words[:known], words[known]
    name = " ".join(["aivcs", *before, word[:60]])
    prefix = "".join(f"{w} " for w in before)
    below = [page.removeprefix(prefix) for page in PAGES if page.startswith(prefix)]
    below = [page for page in below if page and " " not in page]
    near = nearest(word, below)
    if near:
        hint = " ".join(["aivcs help", *before, *near])
        return f"no command {name!a}; did you mean {hint}?"
    if not below:
        return f"no command {name!a}; aivcs {' '.join(before)} has no commands below it"
    return f"no command {name!a}; the commands are {', '.join(below)}"


def _show_by_man(context: Context, name: str) -> bool:
    """Shows the page with man. Returns whether man could show it."""
    if shutil.which("man") is None or context.environment.get("TERM", "dumb") == "dumb":
        return False
    file = "aivcs.1" if name == "aivcs" else f"aivcs-{name.replace(' ', '-')}.1"
    path = shipped.find(f"man/{file}", f"man/man1/{file}")
    if path is None:
        return False
    import subprocess

    context.flush()
    return subprocess.run(["man", "-l", path], check=False).returncode == 0
