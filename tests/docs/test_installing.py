"""Nothing that we write has anybody install the aivcs of PyPI, which is another project."""

import re
import tomllib
from pathlib import Path

import pytest

from aivcs import __version__

PROJECT = Path(__file__).parents[2]
PLACES = [
    ".ci",
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "aivcs",
    "benchmarks",
    "bin",
    "completions",
    "docs",
    "examples",
    "man",
    "pyproject.toml",
    "tests",
]
INSTALLS = re.compile(
    r"""\b(?:(?:pip3?|pipx|uv\ tool|uv\ pip)\s+(?:install|run|inject)|uv\ add|uvx|pipx)\b
    (?:\s+-\S+)*                    # options
    \s+['"]?aivcs(?![-\w/.])         # and not aivcs-cli, nor a path
    |['"]aivcs\s*(?:\[[a-z]|[<>=~]=|@\s)  # a requirement
    |\baivcs\[(?!\.)                 # an extra of it
    """,
    re.VERBOSE,
)


def texts():
    for place in PLACES:
        path = PROJECT / place
        for file in [path] if path.is_file() else sorted(path.rglob("*")):
            if file.is_file() and file.suffix != ".pyc" and file != Path(__file__):
                yield file, file.read_bytes().decode(errors="replace")


def test_no_page_example_or_message_installs_somebody_elses_package():
    found = [
        f"{file.relative_to(PROJECT)}: {hit[0]}"
        for file, text in texts()
        for hit in INSTALLS.finditer(text)
    ]
    assert found == []


@pytest.mark.parametrize(
    "text",
    [
        "pip install NAME",
        "pip install -q 'NAME[test]'",
        "pipx install NAME\n",
        "uv tool install NAME",
        "uvx NAME",
        '"NAME[testing]"',
        '"NAME>=0.1"',
        "uv add NAME",
        "pip3 install --user NAME",
    ],
)
def test_the_search_finds_what_would(text):
    assert INSTALLS.search(text.replace("NAME", "aivcs"))


def test_the_distribution_is_called_otherwise_and_all_extras_are_of_it():
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    assert project["name"] == "aivcs-cli"
    assert __version__ == "0.2.0"
    extras = [text for texts in project["optional-dependencies"].values() for text in texts]
    assert [text for text in extras if text.startswith("aivcs") and "aivcs-cli[" not in text] == []


def test_the_readme_says_so():
    readme = " ".join((PROJECT / "README.md").read_text().split())
    assert "`aivcs` on PyPI is another project" in readme
