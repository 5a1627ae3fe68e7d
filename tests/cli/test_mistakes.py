"""A mistake is answered with what was meant, and where was looked."""

import json
import os

import pytest


@pytest.fixture
def words(aivcs):
    """A store with a name that has labels, another in a folder, a run of an agent; a file."""
    one, two = aivcs.put(b"one"), aivcs.put(b"two")
    aivcs.ok("release", "promote", "reviewer", one, "--label", "v1.0")
    aivcs.ok("release", "promote", "reviewer", two, "--label", "v1.1")
    aivcs.ok("release", "promote", "team/bot", two)
    run = aivcs.ok("run", "start", "--agent", "reviewer", "--spec", one).text
    (aivcs.folder / "prompt.md").write_text("a prompt")
    return {"ID": run, "TYPO": f"{run[:20]}{'0' if run[20] != '0' else '1'}{run[21:]}",
            "START": f"{run[:7]}zz", "ONE": one, "STORE": str(aivcs.store)}  # fmt: skip


USAGE = [
    ("rnu list", "did you mean aivcs run?", "aivcs [OPTIONS] COMMAND [ARGUMENT...]"),
    ("run lst", "did you mean aivcs run list?", "aivcs run COMMAND [ARGUMENT...]"),
    ("promote a b", "did you mean aivcs release promote?", "aivcs [OPTIONS] COMMAND [ARGUMENT...]"),
    ("promot a b", "did you mean aivcs release promote?", "aivcs [OPTIONS] COMMAND [ARGUMENT...]"),
    ("verfy", "did you mean aivcs verify?", "aivcs [OPTIONS] COMMAND [ARGUMENT...]"),
    ("version", "did you mean aivcs --version?", "aivcs [OPTIONS] COMMAND [ARGUMENT...]"),
    ("run list --agnt x", "did you mean --agent?", "aivcs run list [OPTIONS]"),
    ("--colour never status", "did you mean --color?", "aivcs [OPTIONS] COMMAND [ARGUMENT...]"),
    ("run list --status runing", "did you mean running?", "aivcs run list [OPTIONS]"),
    ("run --agent a list", "comes after the command: aivcs run list --agent",
     "aivcs run COMMAND [ARGUMENT...]"),
    ("run show --store x", "comes before the command: aivcs --store … run show",
     "aivcs run show [OPTIONS] [RUN]"),
    ("release show bot v1 v2", "unexpected argument 'v2'",
     "aivcs release show [OPTIONS] NAME [TARGET]"),
    ("run log", "missing argument RUN", "aivcs run log [OPTIONS] RUN [KIND] [PAYLOAD...]"),
    ("run start", "missing option --agent NAME", "aivcs run start --agent NAME [OPTIONS]"),
    ("run list -n x", "-n 'x' is not a whole number", "aivcs run list [OPTIONS]"),
    ("run list --agent", "requires an argument", "aivcs run list [OPTIONS]"),
    ("blob ls a b", "unexpected argument 'b'", "aivcs blob ls [OPTIONS] [PREFIX]"),
    ("config set core.lock_timeout -5",
     ("a lock timeout of -5.0 is not between 0 and 86400 s (a word that begins with - is an "
      "option, unless it follows --: aivcs config set … -- -5)"),
     "aivcs config set [OPTIONS] KEY VALUE"),
    ("blob put -z5", "no such option: -5 (see: aivcs blob put --help)",
     "aivcs blob put [OPTIONS] [FILE...]"),
    ("config set exec.redact -12", "if it is the VALUE, write -- first: aivcs config set … -- -12",
     "aivcs config set [OPTIONS] KEY VALUE"),
]  # fmt: skip
"""A mistake, what is said of it, and the line of usage."""

HINTS = [
    ("run show TYPO", 12, "did you mean ID? (looked in STORE)"),
    ("run show START", 12, "did you mean ID? (looked in STORE)"),
    ("run show zzzzzzzz", 12, "looked in STORE"),
    ("run show reviewer", 12, ("reviewer is an agent; its runs: aivcs run list --agent reviewer "
     "(looked in STORE)")),
    ("run log noted ID", 12, "RUN comes before KIND (looked in STORE)"),
    ("release current revewer", 12, "did you mean reviewer? (looked in STORE)"),
    ("release current team", 12, "did you mean team/bot? (looked in STORE)"),
    ("release history zzz", 12, "the names are reviewer, team/bot (looked in STORE)"),
    ("release rollback reviewer --to v1.2", 12, "did you mean v1.1? (looked in STORE)"),
    ("release rollback reviewer --to stable", 12, "the labels are v1.1, v1.0 (looked in STORE)"),
    ("release rollback reviewer --to @9", 12, "the newest release is @2 (looked in STORE)"),
    ("run start --agent a --spec reviewr@current", 12, "did you mean reviewer? (looked in STORE)"),
    ("run start --agent a --spec reviewer@v2", 12, "the labels are v1.1, v1.0 (looked in STORE)"),
    ("run start --agent a --spec reviewer", 2, "did you mean reviewer@current?"),
    ("run start --agent a --spec prompt.md", 2,
     "prompt.md is a file; store it, and use the digest: aivcs blob put prompt.md"),
    ("release promote ONE reviewer", 2, "NAME comes before SPEC"),
    ("release show reviewer @9", 12, "the newest release is @2 (looked in STORE)"),
    ("blob get 0123456789", 12, "looked in STORE"),
    ("blob get prompt.md", 2,
     "prompt.md is a file; its digest is printed by: aivcs blob put prompt.md"),
    ("blob get reviewer@v1.0", 2, ("reviewer is a name; the digest that is live is printed by: "
     "aivcs release current reviewer")),
    ("--store . status", 10, "did you mean --store ./.aivcs, or -C .?"),
]  # fmt: skip
"""A mistake, its exit code, and the hint."""


def filled(text, words):
    for word, value in words.items():
        text = text.replace(word, value)
    return text


@pytest.mark.parametrize(("line", "said", "usage"), USAGE)
def test_a_line_that_is_no_command_shows_what_is(outside, line, said, usage):
    done = outside(*line.split(), code=2)
    first, second = done.err.decode().splitlines()
    assert first.startswith("aivcs: ")
    assert said in first
    assert second == f"usage: {usage}"


@pytest.mark.parametrize(("line", "code", "hint"), HINTS)
def test_a_name_that_is_not_there_brings_one_that_is(aivcs, words, unchanged, line, code, hint):
    with unchanged:
        done = aivcs(*filled(line, words).split(), code=code)
    assert done.out == b""
    (_, second) = done.err.decode().splitlines()
    assert second == f"hint: {filled(hint, words)}"


def test_in_json_usage_and_hint_are_members(aivcs, words):
    done = aivcs("run", "show", "--json", words["TYPO"], code=12)
    assert json.loads(done.err)["hint"].startswith(f"did you mean {words['ID']}?")
    done = aivcs("run", "--json", "list", code=2)
    assert json.loads(done.err)["usage"] == "aivcs run COMMAND [ARGUMENT...]"
    assert "comes after the command: aivcs run list --json" in json.loads(done.err)["message"]


@pytest.mark.parametrize(
    ("payload", "said"),
    [
        (["text"], "write key=text or key:=json"),
        (["{x:1}"], "quote it for the shell: '{\"key\": …}'"),
        (["a:=b"], "for text write a=…"),
        (["--json"], "comes after RUN, where nothing is an option: put it before RUN"),
        (["--file", "a=prompt.md"], "put it before RUN"),
    ],
)
def test_a_payload_that_is_none_says_how_to_write_one(aivcs, words, unchanged, payload, said):
    with unchanged:
        assert said in aivcs("run", "log", words["ID"], "noted", *payload, code=2).complaint


def test_a_hint_is_escaped(aivcs, words):
    (aivcs.folder / "a\x1b]0;x\x07b").write_text("")
    done = aivcs("blob", "get", "a\x1b]0;x\x07b", code=2)
    assert b"\x1b" not in done.err


def test_a_damaged_store_brings_no_hint_and_no_other_error(aivcs, words):
    aivcs.release_log("reviewer").write_bytes(b"nonsense\n")
    aivcs.run_log(words["ID"]).write_bytes(b"nonsense\n")
    assert "no run zzzzzzzz" in aivcs("run", "show", "zzzzzzzz", code=12).complaint
    assert "nothing was released" in aivcs("release", "current", "revewer", code=12).complaint


def test_a_filter_given_twice_takes_what_fits_either(aivcs, words):
    a, b, c = (aivcs.begin(agent, b"one", "--tag", f"env={agent}") for agent in "abc")
    aivcs.ok("run", "finish", a, "--status", "failed")
    for kind in ("k1", "k2", "k3"):
        aivcs.ok("run", "log", b, kind)

    def listed(*arguments):
        return [line.split("\t")[0] for line in aivcs.ok("run", "list", *arguments).lines]

    assert listed("--agent", "c", "--agent", "a", "--agent", "a") == [c, a]
    assert listed("--agent", "c", "--agent", "a", "-n", "1") == [c]
    assert listed("--agent=a", "--agent=b", "--status=failed", "--status=cancelled") == [a]
    assert listed("--tag", "env=a", "--tag", "env=b") == [b, a]
    assert listed("--tag", "env=a", "--tag", "other=b") == []
    assert listed("--spec", words["ONE"], "--spec", "reviewer@current") == [c, b, a, words["ID"]]
    stats = aivcs.ok("run", "stats", "--agent", "c", "--agent", "a", "--spec", words["ONE"]).lines
    assert [line.split("\t")[0] for line in stats] == ["a", "c"]
    kinds = [event["kind"] for event in aivcs.events(b)]
    assert kinds == ["k1", "k2", "k3"]
    shown = aivcs.ok("run", "events", b, "--kind", "k1", "--kind", "k3").lines
    assert [line.split("\t")[2] for line in shown] == ["k1", "k3"]
    history = aivcs.ok("release", "history", "reviewer", "--label=v1.0", "--label=v1.1").lines
    assert len(history) == 2


def test_damage_is_told_once_however_many_filters_meet_it(aivcs, words):
    aivcs.run_log(words["ID"]).write_bytes(b"nonsense\n")
    for verb in ("list", "stats"):
        done = aivcs("run", verb, "--agent", "a", "--agent", "b", code=14)
        assert done.err.count(b"damaged") == 1, done


@pytest.mark.parametrize(
    "line",
    [
        "release promote bot ONE --label a --label b",
        "run start --agent a --agent b --spec ONE",
        "spec create prompt.md --git-sha a --git-sha b",
        "-C . -C . blob ls",
    ],
)
def test_an_option_that_takes_one_value_is_refused_twice(aivcs, words, unchanged, line):
    with unchanged:
        said = aivcs(*filled(line, words).split(), code=2).complaint
    assert "is given twice, and takes one value" in said


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("release rollback reviewer --reason --dry-run", "--reason=--dry-run"),
        ("release promote reviewer ONE --label --dry-run", "--label=--dry-run"),
        ("release promote reviewer ONE --by --label=v9", "--by=--label=v9"),
        ("run prune --keep-last 1 --reason --help", "--reason=--help"),
        ("run list -n --agent", "--limit=--agent"),
    ],
)
def test_an_option_is_not_taken_for_the_value_of_another(aivcs, words, unchanged, line, said):
    with unchanged:
        complaint = aivcs(*filled(line, words).split(), code=2).complaint
    assert "is an option; is a variable unset?" in complaint
    assert f"(write {said} if it is meant)" in complaint


@pytest.mark.parametrize("value", ["--dry-run-not", "-", "-5", "-x"])
def test_other_values_may_begin_with_a_dash(aivcs, words, value):
    aivcs.ok("release", "rollback", "reviewer", "--reason", value)
    aivcs.ok("release", "promote", "reviewer", words["ONE"], "--notes=--dry-run")
    history = aivcs.ok("release", "history", "reviewer", "--json").text
    assert f'"notes":"{value}"' in history
    assert '"notes":"--dry-run"' in history


@pytest.mark.parametrize(
    "line",
    [
        ["run", "list", "-n", "1_0"],
        ["run", "list", "-n", " 1 "],
        ["run", "finish", "@", "--exit-code", "1 "],
        ["run", "log", "--seq", "٣", "@", "noted"],
        ["run", "list", "-n", "9" * 5000],
        ["--lock-timeout", "1e400", "status"],
        ["--lock-timeout", "inf", "status"],
        ["config", "set", "limits.event_bytes", "1_048_576"],
        ["config", "set", "core.lock_timeout", "٣"],
    ],
)
def test_a_number_has_ascii_digits_and_a_long_one_is_cut(aivcs, unchanged, line):
    with unchanged:
        complaint = aivcs(*line, code=2).complaint
    assert "number" in complaint
    assert len(complaint) < 300


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("run log ID a=b", "KIND is missing: 'a=b' looks like PAYLOAD"),
        ("run log ID {}", "KIND is missing: '{}' looks like PAYLOAD"),
        ("run log noted a=b", "RUN is missing: there is no run 'noted', which looks like KIND"),
        ("run log noted", "is a variable unset?"),
        ("run log ID", "KIND is missing: aivcs run log RUN KIND"),
    ],
)
def test_an_operand_that_was_forgotten_is_told_from_those_that_were_not(
    aivcs, words, unchanged, line, said
):
    with unchanged:
        assert said in aivcs(*filled(line, words).split(), code=2).complaint


@pytest.mark.parametrize(
    "name", ["my agent", "a//b", "../x", "a\\b", "-a", "x.jsonl", "e\u0301 x", "日本" * 40]
)
def test_no_agent_runs_under_a_name_that_it_cannot_be_released_under(aivcs, words, unchanged, name):
    with unchanged:
        ran = aivcs("run", "start", f"--agent={name}", "--spec", words["ONE"], code=2).complaint
        executed = aivcs("run", "exec", f"--agent={name}", "--spec", words["ONE"], "--", "true")
        released = aivcs("release", "promote", "--", name, words["ONE"], code=2).complaint
    assert executed.code == 125
    assert "cannot be an agent name: " in ran
    assert ran.replace("an agent name", "a release name") == released
    assert ("; as in my-agent" in ran) == (name == "my agent")


def test_the_same_letters_are_the_same_name_however_they_are_composed(aivcs, words):
    composed, decomposed = "équipe/日本", "e\u0301quipe/日本"
    run = aivcs.ok("run", "start", "--agent", decomposed, "--spec", words["ONE"]).text
    assert aivcs.record(run)["metadata"]["agent_name"] == composed
    aivcs.ok("release", "promote", decomposed, words["ONE"], "--label", "e\u0301te\u0301")
    assert composed in aivcs.ok("release", "list").out.decode().split()
    assert aivcs.ok("release", "current", composed).text == words["ONE"]
    for name in (composed, decomposed):
        assert len(aivcs.ok("run", "list", "--agent", name, "--spec", f"{name}@été").lines) == 1
    aivcs.ok("verify")


def test_a_locale_without_utf_8_is_said_where_it_keeps_a_name_from_being_a_file(
    aivcs, words, latin1
):
    assert "set LC_ALL" in aivcs("release", "current", b"\xe9quipe", code=2, env=latin1).complaint


def test_a_mistake_in_the_spelling_of_json_is_told_in_json(aivcs):
    assert json.loads(aivcs("run", "list", "--json=1", code=2).err)["exit_code"] == 2


def test_no_digest_says_that_a_prefix_is_enough(aivcs):
    assert "the first 4 or more" in aivcs("blob", "get", "ccd3x", code=2).complaint


def test_a_broken_configuration_of_the_user_is_named(aivcs):
    aivcs.ok("config", "set", "--user", "safe.directory", "/srv")
    (file,) = (path for path in aivcs.home.rglob("config.toml"))
    file.write_text("[broken")
    for words in (["set", "--user", "safe.directory", "/x"], ["unset", "--user", "safe.directory"]):
        assert str(file) in aivcs("config", *words, code=2).complaint


def test_a_trusted_folder_is_absolute(aivcs):
    for path in (".", "~/x", "srv"):
        said = aivcs("config", "set", "--user", "safe.directory", path, code=2).complaint
        assert "begins with /" in said
    aivcs.ok("config", "set", "--user", "safe.directory", "*")


def test_the_status_of_a_store_in_a_folder_whose_name_is_not_utf_8(aivcs):
    folder = os.fsencode(aivcs.folder) + b"/a\xff"
    os.mkdir(folder)
    aivcs.ok("init", cwd=os.fsdecode(folder))
    found = aivcs.ok("status", "--json", cwd=os.fsdecode(folder)).text
    assert json.loads(found)["store"].endswith("/a\\xff/.aivcs")
