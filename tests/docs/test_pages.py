"""The pages that teach are true: every command in them is typed at a terminal, in order."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest
from docs.pages import PAGES, text_of
from docs.walkthrough import Seen, Step, explain, follow, steps

COMMANDS = Path(sys.executable).parent

needs_tools = pytest.mark.skipif(
    any(shutil.which(tool) is None for tool in ("bash", "jq", "sha256sum", "ssh-keygen"))
    or not (COMMANDS / "aivcs").exists(),
    reason="needs aivcs installed, bash, jq, sha256sum and ssh-keygen, as the pages do",
)


def surprises(page, tmp_path):
    """What differs from the page, for somebody who has just come and follows it."""
    todo = list(steps(text_of(page)))
    assert todo
    home = tmp_path / "alice"
    home.mkdir()
    seen = follow(todo, home, str(COMMANDS), page.columns)
    differences = (explain(step, got) for step, got in zip(todo, seen, strict=True))
    return "\n\n".join(filter(None, differences))


@needs_tools
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_followed_word_for_word_no_step_surprises(page, tmp_path):
    assert surprises(page, tmp_path) == ""


class TestTheComparison:
    """It notices what it is there to notice."""

    @pytest.mark.parametrize(
        ("shown", "came", "code", "fits"),
        [
            (["one", "two"], ["one", "two"], 0, True),
            (["one", "two"], ["one"], 0, False),
            (["one"], ["one"], 1, False),
            (["aivcs: no"], ["aivcs: no"], 15, True),
            (["a  …  z"], ["a b c z"], 0, True),
            (["a", "…", "z"], ["a", "b", "c", "z"], 0, True),
            (["a", "…"], ["a", "b", "c"], 0, True),
            (["a", "…", "z"], ["a", "b", "c"], 0, False),
            (None, ["/home/alice/.aivcs"], 0, True),
            (None, ["aivcs: FILE is not there"], 0, False),
            (["5 minutes ago"], ["1 second ago"], 0, True),
            (["16d1ec18"], ["26d1ec18"], 0, False),
        ],
    )
    def test_fits_or_not(self, shown, came, code, fits):
        assert (explain(Step("x", shown), Seen(came, code)) == "") == fits
