"""What is made of the declarations is fresh, and the declarations fit the verbs."""

import importlib
import inspect
from pathlib import Path

import pytest

from aivcs.cli.parse.commands import ROOT as EVERYTHING, visible
from aivcs.cli.run.filters import FILTERS, selection
from tools.generate import __main__ as generate

PROJECT = Path(__file__).parents[2]


def test_generated_files_are_fresh():
    stale = [
        path
        for path, content in generate.generated().items()
        if not (PROJECT / path).is_file() or (PROJECT / path).read_text("utf-8") != content
    ]
    assert not stale, f"{', '.join(stale)}: run python -m tools.generate"


def test_nothing_else_stands_among_the_generated_files():
    wanted = generate.generated().keys()
    present = {
        str(path.relative_to(PROJECT))
        for folder in ("completions", "man")
        for path in (PROJECT / folder).iterdir()
    }
    assert present <= wanted, "run python -m tools.generate"


def test_generating_twice_gives_the_same():
    assert generate.generated() == generate.generated()


def test_the_check_says_what_is_stale(monkeypatch, capsys):
    fresh = generate.generated()
    assert generate.main(["--check"]) == 0
    monkeypatch.setattr(generate, "generated", lambda: {**fresh, "man/aivcs.1": "old"})
    assert generate.main(["--check"]) == 1
    assert capsys.readouterr().out == "man/aivcs.1 is stale: run python -m tools.generate\n"


@pytest.mark.parametrize("command", visible(EVERYTHING).leaves(), ids=lambda command: command.name)
def test_a_verb_takes_what_its_declaration_gives_it(command):
    module, _, function = command.calls.partition(":")
    verb = getattr(importlib.import_module(f"aivcs.cli.{module}"), function)
    given = {p.name: None for p in (*command.positionals, *command.options)}
    signature = inspect.signature(verb)
    taken = dict(signature.bind(None, **given).arguments)
    required = {
        name for name, p in signature.parameters.items() if p.default is inspect.Parameter.empty
    }
    if "filters" in required:  # of runs, which are passed on
        filters = taken.pop("filters")
        inspect.signature(selection).bind(None, **filters)
        taken |= filters
        required = required - {"filters"} | (filters.keys() & FILTERS.keys())
    assert required - {"context"} == given.keys(), "a verb has no default of its own for an option"
    assert taken.keys() - {"context"} == given.keys()


@pytest.mark.parametrize("command", visible(EVERYTHING).every(), ids=lambda command: command.name)
def test_everything_is_explained(command):
    assert command.help
    for parameter in (*command.options, *command.positionals):
        assert parameter.help, parameter.name
        assert parameter.help.endswith((".", "?")), parameter.help
