"""`aivcs spec create PATH…` and `--auto`: the files of real agents, as they lie in a repository."""

import os
import shutil
import signal
import subprocess

import pytest

AGENT = {
    "CLAUDE.md": "@AGENTS.md and @docs/style.md\n`@docs/not.md` @~/mine.md @.env\n",
    "AGENTS.md": "Be careful.\n",
    "docs/style.md": "Short sentences.\n",
    "docs/not.md": "Nobody imports this.\n",
    "sub/AGENTS.md": "Below.\n",
    ".claude/agents/reviewer.md": "---\nname: reviewer\n---\n",
    ".claude/commands/go.md": "Go.\n",
    ".claude/skills/find/SKILL.md": "Find.\n",
    ".claude/settings.json": "{}\n",
    ".claude/settings.local.json": "{}\n",
    ".claude/hooks/check.sh": "#!/bin/sh\n",
    ".cursor/rules/style.mdc": "Style.\n",
    ".mcp.json": "{}\n",
    "prompts/system.md": "You review.\n",
    "prompts/draft.md": "Not yet.\n",
    "prompts/secret.md": "Mine.\n",
    "src/crew/config/agents.yaml": "a: 1\n",
    "src/crew/config/tasks.yaml": "t: 1\n",
    "config/swe.yaml": "agent:\n  model: m\n",
    "config/database.yml": "db: 1\n",
    "pyproject.toml": "[project]\n",
    ".env": "TOKEN=1\n",
    "build/CLAUDE.md": "Generated.\n",
    "node_modules/x/AGENTS.md": "Somebody else's.\n",
    ".gitignore": "prompts/draft.md\nbuild/\n",
    ".aivcsignore": "secret.*\n",
}
TAKEN = {
    "graph": ["src/crew/config/agents.yaml", "src/crew/config/tasks.yaml"],
    "prompts": [
        ".claude/agents/reviewer.md", ".claude/commands/go.md", ".cursor/rules/style.mdc",
        "AGENTS.md", "CLAUDE.md", "docs/style.md", "prompts/system.md", "sub/AGENTS.md",
    ],
    "tools": [".claude/skills/find/SKILL.md", ".mcp.json"],
    "config": [".claude/hooks/check.sh", ".claude/settings.json", "config/swe.yaml"],
}  # fmt: skip
LEFT_OUT = {
    ".env", ".claude/settings.local.json", "prompts/draft.md", "prompts/secret.md", "~/mine.md",
}  # fmt: skip


@pytest.fixture
def repository(aivcs):
    """A git repository with the files of several agents, and others."""
    for path, text in AGENT.items():
        (aivcs.folder / path).parent.mkdir(parents=True, exist_ok=True)
        (aivcs.folder / path).write_text(text)
    (aivcs.folder / ".claude" / "hooks" / "check.sh").chmod(0o755)
    if shutil.which("git") is None:
        pytest.skip("there is no git")
    git(aivcs, "init", "-q")
    return aivcs.folder


def git(aivcs, *arguments):
    environment = aivcs.environment(GIT_CONFIG_NOSYSTEM="1")
    subprocess.run(["git", *arguments], cwd=aivcs.folder, env=environment, check=True)


def parts_of(aivcs, spec):
    parts = aivcs.ok("spec", "show", spec, "--json").json["parts"]
    return {part: [file["path"] for file in entry["files"]] for part, entry in parts.items()}


class TestAuto:
    def test_takes_what_agents_read_and_says_what_it_left_out(self, aivcs, repository):
        made = aivcs.ok("spec", "create", "--auto", "--complete", "--json").json
        taken: dict[str, list[str]] = {part: [] for part in TAKEN}
        for file in made["taken"]:
            taken[file["part"]].append(file["path"])
        assert taken == TAKEN
        assert parts_of(aivcs, made["spec_digest"]) == TAKEN
        assert {left["path"] for left in made["left_out"]} == LEFT_OUT
        told = aivcs.ok("spec", "create", "--auto").err.decode()
        assert "prompts  AGENTS.md\n" in told
        assert "left out prompts/draft.md: git ignores it\n" in told

    def test_makes_the_same_spec_with_git_and_without(self, aivcs, repository, tmp_path):
        spec = aivcs.ok("spec", "create", "--auto").text
        (tmp_path / "bin").mkdir()
        without = {"PATH": str(tmp_path / "bin")}
        assert aivcs.ok("spec", "create", "--auto", env=without).text == spec
        shutil.rmtree(repository / ".git")
        assert aivcs.ok("spec", "create", "--auto", cwd=repository / "sub").text == spec

    def test_is_not_misled_where_the_end_of_children_is_ignored(self, aivcs, repository, tmp_path):
        spec = aivcs.ok("spec", "create", "--auto").text
        (tmp_path / "bin").mkdir()
        (tmp_path / "bin" / "git").write_text("#!/bin/sh\necho no >&2; exit 128\n")
        (tmp_path / "bin" / "git").chmod(0o755)

        def ignore():
            signal.signal(signal.SIGCHLD, signal.SIG_IGN)

        path = {"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}
        done = aivcs.ok("spec", "create", "--auto", env=path, preexec_fn=ignore)
        assert done.text == spec

    def test_tells_whether_what_lies_here_is_what_is_live(self, aivcs, repository, files):
        aivcs.ok("spec", "create", "--auto", "--git-sha", "abc")
        spec = aivcs.ok("spec", "create", "--auto", "pyproject.toml", "--config", "pyproject.toml")
        aivcs.ok("release", "promote", "bot", spec.text)
        diff = ("spec", "diff", "bot@current", "--auto", "--exit-code")
        held = files.snapshot(aivcs.store / "objects")
        assert aivcs(*diff, code=0).out == b""
        (repository / "AGENTS.md").write_text("Be bold.\n")
        (repository / ".mcp.json").unlink()
        (repository / ".claude" / "agents" / "new.md").write_text("New.\n")
        found = aivcs(*diff, "--json", code=1).json["files"]
        assert [(file["part"], file["path"], file["kind"]) for file in found] == [
            ("prompts", ".claude/agents/new.md", "added"), ("tools", ".mcp.json", "removed"),
            ("prompts", "AGENTS.md", "changed"),
        ]  # fmt: skip
        assert files.snapshot(aivcs.store / "objects") == held
        aivcs.ok("spec", "checkout", "bot@current", ".", "--force")
        assert (repository / "AGENTS.md").read_text() == "Be careful.\n"
        aivcs(*diff, "--exclude", "new.md", code=0)
        aivcs("spec", "diff", "bot@current", code=2)
        aivcs("spec", "diff", "bot@current", "bot@1", "--auto", code=2)

    def test_searches_no_home_and_finds_something_or_says_so(self, aivcs, repository):
        (aivcs.home / "AGENTS.md").write_text("mine")
        words = ("--store", aivcs.store, "spec", "create", "--auto")
        assert "--root" in aivcs(*words, cwd=aivcs.home, code=2).complaint
        assert "nothing in" in aivcs(*words, "--root", "docs", code=2).complaint

    def test_wants_a_very_large_file_to_be_named(self, aivcs):
        (aivcs.folder / "prompts").mkdir()
        with open(aivcs.folder / "prompts" / "huge.md", "wb") as file:
            file.truncate(65 << 20)
        assert "huge.md" in aivcs("spec", "create", "--auto", code=2).complaint


class TestLinks:
    def test_within_the_root_are_followed_and_keep_their_paths(self, aivcs):
        skill = aivcs.folder / ".agents" / "skills" / "find"
        skill.mkdir(parents=True)
        (skill / "SKILL.md").write_text("Find.\n")
        (aivcs.folder / ".claude").mkdir()
        (aivcs.folder / ".claude" / "skills").symlink_to("../.agents/skills")
        (aivcs.folder / "AGENTS.md").write_text("Be careful.\n")
        (aivcs.folder / "CLAUDE.md").symlink_to("AGENTS.md")
        spec = aivcs.ok("spec", "create", "--auto").text
        assert parts_of(aivcs, spec) == {
            "prompts": ["AGENTS.md", "CLAUDE.md"],
            "tools": [".agents/skills/find/SKILL.md", ".claude/skills/find/SKILL.md"],
        }
        aivcs.ok("spec", "checkout", spec, ".")
        assert (aivcs.folder / "CLAUDE.md").is_symlink()
        aivcs.ok("spec", "checkout", spec, "out")
        assert (aivcs.folder / "out" / "CLAUDE.md").read_text() == "Be careful.\n"

    @pytest.mark.parametrize(
        ("target", "complaint"),
        [("/etc", "out of the root"), ("nowhere", "to nothing"), ("skills", "leads to itself"),
         ("..", "never ends")],
    )  # fmt: skip
    def test_that_lead_elsewhere_are_refused_unless_excluded(self, aivcs, target, complaint):
        (aivcs.folder / "AGENTS.md").write_text("Be careful.\n")
        (aivcs.folder / ".claude").mkdir()
        (aivcs.folder / ".claude" / "skills").symlink_to(target)
        assert complaint in aivcs("spec", "create", "--auto", code=2).complaint
        aivcs.ok("spec", "create", "--auto", "--exclude", ".claude/skills")

    def test_bring_nothing_in_that_is_never_kept(self, aivcs):
        (aivcs.folder / ".env").write_text("TOKEN=1\n")
        (aivcs.folder / "CLAUDE.md").symlink_to(".env")
        assert "nothing in" in aivcs("spec", "create", "--auto", code=2).complaint
        assert "never part" in aivcs("spec", "create", "CLAUDE.md", code=2).complaint


class TestPaths:
    def test_tell_their_parts_and_what_is_said_counts_more(self, aivcs, repository):
        words = ["prompts", ".claude", "--graph", ".claude/commands", "--tools", "pyproject.toml"]
        spec = aivcs.ok("spec", "create", *words, "./prompts/system.md").text
        assert parts_of(aivcs, spec) == {
            "graph": [".claude/commands/go.md"],
            "prompts": [".claude/agents/reviewer.md", "prompts/system.md"],
            "tools": [".claude/skills/find/SKILL.md", "pyproject.toml"],
            "config": [".claude/hooks/check.sh", ".claude/settings.json"],
        }

    def test_mean_the_same_from_every_folder(self, aivcs, repository):
        spec = aivcs.ok("spec", "create", "AGENTS.md", "sub/AGENTS.md").text
        assert aivcs.ok("spec", "create", "../AGENTS.md", ".", cwd=repository / "sub").text == spec

    @pytest.mark.parametrize(
        ("words", "complaint"),
        [
            (["pyproject.toml"], "which part is 'pyproject.toml'?"),
            (["docs"], "which part is 'docs/not.md', 'docs/style.md'?"),
            (["--prompts", "AGENTS.md", "--tools", "AGENTS.md"], "is given twice"),
            (["/etc/passwd"], "outside of the root"),
            (["../home"], "outside of the root"),
            ([".env"], "never part of a spec"),
            (["--config", ".claude/settings.local.json"], "never part of a spec"),
            ([".git/config"], "repository's own folder"),
            (["nowhere"], "no file or folder"),
            ([""], "empty"),
        ],
    )
    def test_that_cannot_be_kept_are_refused(self, aivcs, repository, unchanged, words, complaint):
        with unchanged:
            assert complaint in aivcs("spec", "create", *words, code=2).complaint

    def test_that_are_named_are_taken_though_git_ignores_them(self, aivcs, repository):
        spec = aivcs.ok("spec", "create", "prompts/draft.md", "build").text
        assert parts_of(aivcs, spec) == {"prompts": ["build/CLAUDE.md", "prompts/draft.md"]}

    def test_may_hold_any_character_that_is_utf8(self, aivcs):
        (aivcs.folder / "prompts").mkdir()
        name = 'new\nline \x1b[31m "größe".md'
        (aivcs.folder / "prompts" / name).write_text("x")
        (aivcs.folder / "prompts" / "README.md").write_text("1")
        (aivcs.folder / "prompts" / "readme.md").write_text("2")
        made = aivcs.ok("spec", "create", "--auto")
        assert b"\x1b" not in made.err
        aivcs.ok("spec", "checkout", made.text, "out")
        assert (aivcs.folder / "out" / "prompts" / name).read_text() == "x"


def test_the_executable_bit_is_that_of_the_index_where_git_does_not_trust_the_disk(
    aivcs, repository
):
    spec = aivcs.ok("spec", "create", "--auto").text
    git(aivcs, "add", ".")
    git(aivcs, "config", "core.fileMode", "false")
    for path in ("AGENTS.md", ".mcp.json"):
        (repository / path).chmod(0o755)
    (repository / ".claude" / "hooks" / "check.sh").chmod(0o644)
    assert aivcs.ok("spec", "create", "--auto").text == spec
    aivcs.ok("spec", "checkout", spec, ".")
    git(aivcs, "config", "core.fileMode", "true")
    assert aivcs.ok("spec", "create", "--auto").text != spec


def test_specs_are_listed_with_their_releases(aivcs, repository):
    first = aivcs.ok("spec", "create", "AGENTS.md", "--git-sha", "abc").text
    second = aivcs.ok("spec", "create", "AGENTS.md", ".mcp.json").text
    os.utime(aivcs.object(first), (1000, 1000))
    aivcs.put(b'{"git_sha":1}')
    for spec, label in ((first, "v1"), (second, "v2")):
        aivcs.ok("release", "promote", "bot", spec, "--label", label)
    rows = [line.split("\t") for line in aivcs.ok("spec", "list").lines]
    assert [[row[0], *row[2:]] for row in rows] == [
        [second, "prompts, tools", "-", "bot@current"], [first, "prompts", "abc", "bot@v1"],
    ]  # fmt: skip
    assert "0 or more" in aivcs("spec", "list", "--limit", "-1", code=2).complaint
    (newest,) = aivcs.ok("spec", "list", "-n", "1", "--json").json_lines
    assert (newest["spec_digest"], newest["releases"]) == (second, ["bot@current"])


def test_blobs_are_listed_with_their_kinds_and_what_names_them(aivcs, repository):
    spec = aivcs.ok("spec", "create", "AGENTS.md").text
    aivcs.ok("release", "promote", "bot", spec)
    loose, broken = aivcs.put(b"\0\1"), aivcs.put(b"to be damaged")
    aivcs.object(broken).chmod(0o644)
    aivcs.object(broken).write_bytes(b"damaged!")
    rows = {
        line.split("\t")[0]: line.split("\t")[1:] for line in aivcs.ok("blob", "ls", "-l").lines
    }
    tree = aivcs.ok("spec", "show", spec, "--json").json
    (file,) = tree["parts"]["prompts"]["files"]
    assert rows[spec][2:] == ["spec", "release bot@1"]
    assert rows[tree["prompts_digest"]][2:] == ["tree", f"blob {spec}"]
    assert rows[file["digest"]][2:] == ["text", f"blob {tree['prompts_digest']}"]
    assert (rows[file["digest"]][0], rows[loose][2:]) == ("12", ["binary", "-"])
    assert rows[broken][2] == "damaged"
    (item,) = aivcs.ok("blob", "ls", "-l", spec[:8], "--json").json_lines
    assert (item["kind"], item["named_by"]) == ("spec", "release bot@1")
    assert aivcs.ok("blob", "ls", spec[:8]).lines == [spec]


def test_a_policy_may_ask_for_all_parts(aivcs, repository):
    aivcs.ok("config", "set", "policy.bot.require_complete_spec", "true")
    spec = aivcs.ok("spec", "create", "AGENTS.md").text
    refused = aivcs("release", "promote", "bot", spec, code=15).complaint
    assert "no graph, no tools, no config" in refused
    aivcs("release", "promote", "bot", aivcs.put(b"a text"), code=15)
    aivcs.ok("release", "promote", "bot", aivcs.ok("spec", "create", "--auto").text)
    aivcs.ok("release", "verify", "bot")
