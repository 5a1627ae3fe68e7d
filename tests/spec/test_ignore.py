"""Patterns of files to leave out, held to what git makes of them."""

import os
import random
import shutil
import subprocess

import pytest
from hypothesis import given, strategies as st

from aivcs.api import Repository
from aivcs.errors import BackendError
from aivcs.specs.ignore import IgnoreList, ignored_by, matches, parse_patterns
from aivcs.specs.selection import select
from aivcs.specs.spec import create
from aivcs.specs.work_tree import WorkTree

PATTERNS = [
    "*.md", "/a.md", "b/", "b/*", "**/c", "a/**/c", "b/**", "!keep.md", "*", "!b/", "[ab].md",
    "[!a]*", "[^a]*", "\\!x", "\\#x", "# no", "trailing ", "esc\\ ", "x?z", "a\\*b", "", "/", "b/c",
    "**/b/c", "**", "a//c", "[a-c]", "*a*a*",
]  # fmt: skip
PATHS = [
    "a.md", "b.md", "b/a.md", "b/c", "b/d/c", "a/c", "a/x/y/c", "keep.md", "b/keep.md", "!x", "#x",
    "trailing", "esc ", "xyz", "x/z", "a*b", "aXb", "c", "banana",
]  # fmt: skip


BRACKETS = [
    "key[[:digit:]].pem", "[[:alpha:][:digit:]]", "[[:nothing:]]", "[[:digit]", "[[::]]", "[\\]]",
    "[]]", "[!]]", "[^]-]", "[", "a[", "[a", "[]", "[a-", "[a-]", "[c-a]", "[-a]", "[a-c-e]", "a\\",
    "[\\", "[a-\\c]", "[[]", "[[:punct:]]", "[[:space:]]", "[![:upper:]]", "*[", "[&&a]", "[a||b]",
]  # fmt: skip


def generated_patterns():
    """Some hundred patterns of pieces of bracket expressions, the same each time."""
    draw = random.Random(11)
    pieces = [*"[[]]!^-\\*?abc1A", "[:", ":]", "[:alpha:]", "[:digit:]", "[:lower:]", "a-c"]
    return ["".join(draw.choices(pieces, k=draw.randint(1, 8))) for _ in range(400)]


@pytest.mark.skipif(shutil.which("git") is None, reason="there is no git")
def test_brackets_match_what_they_match_to_git(tmp_path):
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    names = [
        *"abcdeA1]-[!^\\&|_ ",
        "key1.pem",
        "keyA.pem",
        "a]",
        "aa",
        "ab",
        "a[",
        "[a",
        "a\\",
        "1]",
    ]
    wrong = []
    for pattern in BRACKETS + generated_patterns():
        (tmp_path / ".gitignore").write_text(f"{pattern}\n")
        done = subprocess.run(
            ["git", "-C", tmp_path, "check-ignore", "--no-index", "-z", "--stdin"],
            input="\0".join(names).encode(), capture_output=True, check=False,
        )  # fmt: skip
        known = [IgnoreList("", parse_patterns([pattern]), "git")]
        ours = [name for name in names if ignored_by(name, known, is_folder=False)]
        theirs = done.stdout.decode().split("\0")[:-1]
        if ours != theirs:
            wrong.append((pattern, ours, theirs))
    assert not wrong


@pytest.mark.skipif(shutil.which("git") is None, reason="there is no git")
def test_every_pattern_fits_what_it_fits_to_git(tmp_path):
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    lists = [[pattern] for pattern in PATTERNS] + [["*.md", "!keep.md"], ["*", "!*.md", "!b/"]]
    for lines in lists:
        (tmp_path / ".gitignore").write_text("".join(f"{line}\n" for line in lines))
        done = subprocess.run(
            ["git", "-C", tmp_path, "check-ignore", "--no-index", "-z", "--stdin"],
            input="\0".join(PATHS).encode(), capture_output=True, check=False,
        )  # fmt: skip
        known = [IgnoreList("", parse_patterns(lines), "git")]

        def is_ignored(path, known=known):
            names = path.split("/")
            return any(
                ignored_by("/".join(names[:n]), known, is_folder=n < len(names))
                for n in range(1, len(names) + 1)
            )

        assert list(filter(is_ignored, PATHS)) == done.stdout.decode().split("\0")[:-1], lines


@given(st.text("ab*/", max_size=12), st.text("ab/", max_size=12))
def test_matching_ends_and_a_path_fits_itself(pattern, path):
    names = path.split("/")
    assert matches(("**", *names), names) or "" in names
    for parsed in parse_patterns([pattern]):
        matches(parsed.names, names)


def test_a_pattern_that_would_take_an_exponential_time_ends():
    hostile = "/".join(["**", "*a*a*a*a*a*a*a*a*b"] * 20)
    (pattern,) = parse_patterns([hostile])
    assert not matches(pattern.names, ["a" * 250] * 200)


@pytest.mark.parametrize("call", ["lstat", "open"])
def test_a_file_that_vanishes_is_named(tmp_path, monkeypatch, call):
    repo = Repository.init(tmp_path)
    (tmp_path / "prompts").mkdir()
    for name in ("a.md", "b.md"):
        (tmp_path / "prompts" / name).write_text(name)
    real = getattr(os, call)

    def vanished(path, *arguments, **options):
        if os.fsencode(path).endswith(b"b.md"):
            raise FileNotFoundError(2, "No such file or directory")
        return real(path, *arguments, **options)

    monkeypatch.setattr(os, call, vanished)
    tree = WorkTree(str(tmp_path), store=repo.path)
    with pytest.raises(BackendError, match=r"'prompts/b.md' vanished"):
        create(repo, select(tree, [(None, "prompts")], folder=str(tmp_path)))
