"""Every command on a store that only a URL names does what it does on a folder."""

import json
import re
import subprocess

import pytest

from aivcs.cli.parse.commands import ROOT

LEFT_OUT = {
    "shell-session", "shell-init", "release sign", "store grants", "store upgrade", "hook install",
    "hook uninstall", "hook status", "hook run", "skill", "mcp", "web", "browse", "spool push",
    "spool list", "spool-push", "release approve", "run redact", "run rm", "run prune", "run why",
}  # fmt: skip
"""What other tests of this folder call, needs ssh-keygen, differs on purpose, or has no store."""

CALLS = [
    ("init",),
    ("blob put -", "a spec"),
    ("blob put one two",),
    ("blob put --sums one",),
    ("blob get SPEC",),
    ("blob has SPEC",),
    ("blob has " + "0" * 64,),
    ("blob ls",),
    ("blob ls -l",),
    ("blob pin SPEC",),
    ("blob unpin SPEC",),
    ("blob verify",),
    ("spec create --prompts one --config two",),
    ("spec create one two",),
    ("spec create --auto --allow-empty",),
    ("spec list",),
    ("spec show AGENT",),
    ("spec diff AGENT SPEC",),
    ("spec checkout AGENT parts --dry-run",),
    ("run start --agent bot --spec SPEC",),
    ("run log RUN step n:=1",),
    ("run log --stdin RUN", '{"kind":"a","payload":{}}\n' * 3),
    ("run log RUN step --blob f=one",),
    ("run log --blob f=one RUN step",),
    ("run show RUN",),
    ("run events RUN",),
    ("run list",),
    ("run stats",),
    ("run finish RUN --exit-code 0",),
    ("run finish RUN --exit-code 0",),
    ("run exec --agent bot --spec SPEC -- printf out",),
    ("run diff RUN RUN",),
    ("run verify",),
    ("run reap",),
    ("run list --agent none",),
    ("run search --kind step",),
    ("release promote bot SPEC --label v1 --evidence RUN --by me",),
    ("release promote bot AGENT --label v2 --by me",),
    ("release current bot",),
    ("release current none",),
    ("release rollback bot --by me",),
    ("release history bot",),
    ("release list",),
    ("release show bot",),
    ("release block bot AGENT --reason bad --by me",),
    ("release promote bot AGENT --by me",),
    ("release unblock bot AGENT --reason good --by me",),
    ("release diff bot",),
    ("release provenance bot",),
    ("release verify bot",),
    ("release checkout bot DEPLOY",),
    ("release checkout bot parts",),
    ("release wait bot --timeout 5",),
    ("release watch --once bot --exec true",),
    ("run annotate RUN -m seen --by me",),
    ("run tree RUN",),
    ("run state put RUN one",),
    ("run state get RUN",),
    ("report --now 2026-01-31T12:00:00Z -o report.html",),
    ("config set core.lock_timeout 5",),
    ("config set core.durability batch",),
    ("config set core.durability full",),
    ("config get core.lock_timeout",),
    ("config unset core.lock_timeout",),
    ("config list",),
    ("config set policy.prod/*.require_runs 1",),
    ("release promote prod/bot SPEC --by me",),
    ("run export RUN --format jsonl",),
    ("run digest RUN",),
    ("run search step",),
    ("run session RUN",),
    ("run import log.jsonl --agent imported",),
    ("init OTHER",),
    ("remote add origin OTHER/.aivcs",),
    ("remote list",),
    ("push",),
    ("push",),
    ("pull",),
    ("clone OTHER/.aivcs CLONE",),
    ("bundle create BUNDLE",),
    ("bundle verify BUNDLE",),
    ("remote rm origin",),
    ("trust --list",),
    ("trust --remove OTHER/.aivcs",),
    ("head",),
    ("verify",),
    ("blob rm SPEC",),
    ("gc --grace 0s --dry-run",),
    ("gc --grace 0s",),
    ("status",),
    ("store check",),
    ("trust --list",),
    ("completion bash",),
    ("__complete release b",),
    ("__complete spec bot@",),
    ("__complete command re",),
    ("help run log",),
]
"""Command lines; RUN, SPEC and AGENT stand for what earlier ones printed, OTHER, CLONE, BUNDLE and
DEPLOY for new places."""
UNSURE = [
    re.compile(pattern)
    for pattern in (
        r"\d{4}-\d\d-\d\dT[0-9:.]+Z", r"[0-9a-f]{64}", r"[0-9a-f]{8}-[0-9a-f-]{27}",
        r"\b[0-9a-f]{32}\b", r"[0-9a-f]{12}", r"(?<=notes/)[0-9a-f]{2}(?=/)",
        r"\b\d+ ?(ms|seconds? ago|s ago|s)\b",
        r'"duration_ms":\d+', r"duration(_ms)?\t\d+(\t\d+)?", r"\t\d+(?=\n)",
        r"\d+\.\d+",
    )
]  # fmt: skip
"""What differs from one time to the next: times, random ids and hashes over them, durations."""


@pytest.fixture
def files(remote):
    (remote.folder / "one").write_text("1\n")
    (remote.folder / "two").write_text("2\n")
    (remote.folder / "log.jsonl").write_text('{"kind":"a","payload":{}}\n')


def play(remote, store):
    """Makes all calls on a store; returns what each did, without ids, times and the store."""
    known = {"SPEC": "", "AGENT": "", "RUN": ""}
    places = {"OTHER": "at-folder", "CLONE": "clone-of-folder", "BUNDLE": "bundle-of-folder",
              "DEPLOY": "deploy-of-folder"}  # fmt: skip
    if "://" in store:
        places = {name: place.replace("folder", "url") for name, place in places.items()}
    answers = []
    for line, *stdin in CALLS:
        words = [known.get(word, word) for word in line.split()]
        for name, place in places.items():
            words = [word.replace(name, place) for word in words]
        done = remote(*words, stdin="".join(stdin), code=None, env={"AIVCS_STORE": store})
        if line == "blob put -":
            known["SPEC"] = done.text
        elif line.startswith("spec create --prompts"):
            known["AGENT"] = done.text
        elif line.startswith("run start"):
            known["RUN"] = done.text
        if line in {"head", "run exec --agent bot --spec SPEC -- printf out"}:
            known[line] = done.text
        out = f"exit {done.code}\n{done.out}\n{done.err}".replace(store, "STORE")
        for name, place in places.items():
            out = out.replace(place, name)
        for name in ("RUN", "head"):
            out = out.replace(known.get(name) or "\0", name.upper())
        for unsure in UNSURE:
            out = unsure.sub("?", out)
        if words[0] in {"push", "pull", "clone"}:  # in the order of random ids
            out = "\n".join(sorted(out.split("\n")))
        answers.append((line, out))
    return answers


def test_every_command_is_called():
    called = {" ".join(line.split()[:n]) for line, *_ in CALLS for n in (1, 2)}
    commands = {" ".join(command.path) for command in ROOT.leaves()}
    assert commands - LEFT_OUT - called == set()


@pytest.mark.slow
def test_a_url_and_a_folder_give_the_same_answers(remote, files):
    folder = remote.folder / ".aivcs"
    at_folder, at_url = play(remote, str(folder)), play(remote, f"{remote.url}.new")
    for there, here in zip(at_folder, at_url, strict=True):
        assert here == there
    codes = {line: answer.split("\n")[0] for line, answer in at_url}
    assert codes["release promote prod/bot SPEC --by me"] == "exit 15"
    assert codes["blob get SPEC"] == "exit 0"
    assert not any("exit 70" in code for code in codes.values())


def test_a_removed_working_directory_matters_to_what_names_files_only(remote):
    gone = remote.folder / "gone"
    gone.mkdir()
    script = (
        f'cd {gone} && rmdir {gone}\naivcs="{remote.script}"\n'
        "spec=$(echo x | $aivcs blob put -) && run=$($aivcs run start --agent a --spec $spec) &&\n"
        "$aivcs run log $run k && $aivcs run finish $run && $aivcs init && $aivcs status &&\n"
        "$aivcs release promote a $spec --by me && $aivcs release current a\n"
    )
    done = remote("-c", script, command=["bash"], env={"AIVCS_STORE": remote.url})
    assert "1 completed" in done.out


def test_ci_steps_are_told_the_url(remote):
    spec = remote.at("blob", "put", "-", stdin="x").text
    path = remote.folder / "env"
    run = remote.at(
        "run", "start", "--agent", "a", "--spec", spec, "--github-env",
        env={"GITHUB_ENV": str(path)},
    ).text  # fmt: skip
    assert path.read_text() == f"AIVCS_RUN={run}\nAIVCS_STORE={remote.url}\n"


def test_a_command_that_is_recorded_reaches_the_same_store(remote):
    spec = remote.at("blob", "put", "-", stdin="x").text
    remote(
        "--store", remote.url, "run", "exec", "--agent", "a", "--spec", spec, "--",
        remote.script, "run", "log", "@", "inner", cwd="/",
    )  # fmt: skip
    run = remote.at("run", "list").text.split("\t")[0]
    assert "inner" in [json.loads(line)["kind"] for line in
                       remote.at("run", "events", run, "--json").lines]  # fmt: skip


def test_memory_is_a_store_for_the_length_of_a_command(remote):
    env = {"AIVCS_STORE": "memory://x"}
    (remote.folder / "spec").write_text("x")
    done = remote(
        "run", "exec", "--agent", "a", "--spec-file", "spec", "--", "echo", "out", env=env
    )
    assert done.out == "out\n"
    assert remote("run", "list", env=env).out == ""
    assert remote("status", env=env).lines[0] == "store\tmemory:"


class TestAdministration:
    def test_prints_what_a_role_needs(self, remote):
        assert remote.at("store", "grants", "--role", "reader").text == "GRANT reader ON *;"
        words = ("store", "grants", "--role", "promoter", "--name", "team/*")
        assert remote.at(*words).text == "GRANT promoter ON team/*;"

    def test_refuses_roles_and_names_that_do_not_exist(self, remote):
        for words in (
            ("--role", "king"), (), ("--role", "reader", "--name", "x"),
            ("--role", "promoter", "--name", "a b"),
        ):  # fmt: skip
            assert remote.at("store", "grants", *words, code=2).out == ""

    def test_checks_the_setup(self, remote):
        done = remote.at("store", "check")
        assert (done.out, done.err) == (
            "", "no fault found in the setup; aivcs verify checks the content\n"
        )  # fmt: skip
        remote.place.with_suffix(".db.fault").touch()
        assert remote.at("store", "check", code=1).text == "the role recorder may delete"

    def test_upgrades_once(self, remote):
        assert remote.at("store", "upgrade").text == "made the table of stamps"
        done = remote.at("store", "upgrade")
        assert (done.out, done.err) == ("", "the store has this version's schema already\n")

    def test_says_of_a_folder_what_applies(self, remote):
        remote("init")
        for words in (("grants", "--role", "reader"), ("upgrade",)):
            done = remote("store", *words)
            assert done.out == ""
            assert "this store is a folder" in done.err
        assert remote("store", "check").out == ""


class TestRequiredStore:
    @pytest.fixture
    def home(self, remote):
        """The id of the only store that may have the releases of prod/*."""
        store_id = remote("trust", remote.url).text
        remote.machine.write_text(f'[require_store]\n"prod/*" = "{store_id}"\n')
        return store_id

    @pytest.fixture
    def spec(self, remote):
        remote("init")
        remote.at("blob", "put", "-", stdin="x")
        return remote("blob", "put", "-", stdin="x").text

    def test_other_stores_are_refused_for_these_names_and_nothing_else(self, remote, spec):
        store_id = remote("trust", remote.url).text
        remote("release", "promote", "prod/bot", spec, "--label", "v1", "--by", "me")
        remote("release", "promote", "bot", spec, "--by", "me")
        remote.machine.write_text(f'[require_store]\n"prod/*" = "{store_id}"\n')
        log = remote.folder / ".aivcs/releases/prod/bot.jsonl"
        before = log.read_bytes()
        for words in (
            ("release", "promote", "prod/bot", spec, "--by", "me"),
            ("release", "promote", "prod/bot", spec, "--by", "me", "--if-changed"),
            ("release", "promote", "other", "prod/bot@v1", "--by", "me"),
            ("release", "rollback", "prod/bot", "--by", "me"),
            ("release", "current", "prod/bot"),
            ("release", "current", "prod/bot", "--default", "x"),
            ("release", "block", "prod/bot", spec, "--reason", "r", "--by", "me"),
            ("run", "start", "--agent", "a", "--spec", "prod/bot@current"),
            ("spec", "checkout", "prod/bot@current", "parts"),
            ("release", "checkout", "prod/bot", "parts"),
            ("release", "wait", "prod/bot", "--timeout", "5"),
            ("release", "watch", "--once", "prod/bot", "--exec", "true"),
        ):
            done = remote(*words, code=15)
            assert done.out == "", words
            assert store_id in done.err
        assert log.read_bytes() == before
        assert not (remote.folder / "parts").exists()
        assert remote("release", "current", "bot").text == spec
        assert remote("release", "history", "prod/bot").text  # what was, may be read

    def test_the_store_itself_is_not(self, remote, home, spec):
        assert remote.at("release", "promote", "prod/bot", spec, "--by", "me").text == spec
        assert remote.at("release", "current", "prod/bot").text == spec

    def test_no_variable_leads_away_from_the_machines_file(self, remote, home, spec):
        env = {"XDG_CONFIG_DIRS": str(remote.folder), "XDG_CONFIG_HOME": str(remote.folder)}
        remote("release", "promote", "prod/bot", spec, "--by", "me", env=env, code=15)

    def test_all_patterns_and_files_must_allow_it(self, remote, home, spec):
        system = remote.folder / "aivcs/config.toml"
        system.parent.mkdir()
        system.write_text(f'[require_store]\n"*bot" = "{"0" * 32}"\n')
        env = {"XDG_CONFIG_DIRS": str(remote.folder)}
        words = ("release", "promote", "prod/bot", spec, "--by", "me")
        done = remote.at(*words, env=env, code=15)
        assert "0" * 32 in done.err
        assert home in done.err

    @pytest.mark.parametrize(
        "text", ['"prod/*" = "x"', '"prod/*" = 1', 'prod = {a = "b"}'], ids=str
    )
    def test_a_rule_that_is_not_understood_is_never_passed_over(self, remote, spec, text):
        remote.machine.write_text(f"[require_store]\n{text}\n")
        done = remote("release", "current", "prod/bot", code=2)
        assert "require_store" in done.err

    def test_the_library_is_held_to_it_too(self, remote, home, spec):
        program = (
            "import sys\n"
            "from aivcs.config import files\n"
            "files.MACHINE = sys.argv[1]\n"
            "from aivcs import ConflictError, Repository\n"
            "repo = Repository.discover()\n"
            "try:\n"
            "    repo.promote('prod/bot', sys.argv[2], by='me')\n"
            "except ConflictError as error:\n"
            "    print('refused')\n"
            "print(repo.promote('bot', sys.argv[2], by='me').name)\n"
        )
        done = subprocess.run(
            [remote.script.read_text().splitlines()[0][2:], "-c", program, remote.machine, spec],
            cwd=remote.folder, env=remote.environment(), capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert done.stdout == "refused\nbot\n"
