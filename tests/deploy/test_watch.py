"""`release watch`: what is live is handled, last and verified, whatever is killed."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time

import pytest
from command import COMMAND

LOG = 'echo "$AIVCS_RELEASE_SEQ $AIVCS_RELEASE_LABEL" >>deployed'


def deployed(aivcs):
    path = aivcs.folder / "deployed"
    return path.read_text().splitlines() if path.exists() else []


def until(happened, process=None, seconds=60):
    """Waits until something has happened; a watch that ends meanwhile is a failure."""
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end
        assert process is None or process.poll() is None
        time.sleep(0.01)


@pytest.fixture
def watch(aivcs):
    """Starts a watch; ends what is left of it."""
    started = []

    def start(*arguments, **options):
        process = aivcs.start("release", "watch", *arguments, **options)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


class TestOnce:
    def test_executes_the_command_for_what_is_live(self, aivcs, release):
        release("one", "--label", "v1")
        spec = release("two", "--label", "v2")
        done = aivcs.ok(
            "release", "watch", "--once", "coder", "--exec", "sh", "-c",
            'echo "$AIVCS_RELEASE_NAME $AIVCS_RELEASE_SEQ $AIVCS_RELEASE_SPEC"',
        )  # fmt: skip
        assert done.text == f"coder 2 {spec}"

    def test_gives_words_to_the_command_as_they_are(self, aivcs, release):
        release("one")
        words = ["--exec", "-x", "a b", "$HOME", "*", ""]
        done = aivcs.ok("release", "watch", "--once", "coder", "printf", "%s|", *words)
        assert done.out.decode() == "".join(f"{word}|" for word in words)

    def test_prints_the_release_without_a_command(self, aivcs, release):
        spec = release("one", "--label", "v1", "--by", "ada")
        line = aivcs.ok("release", "watch", "--once", "coder").text.split("\t")
        assert line[:4] == ["1", "promote", spec, "v1"]
        assert line[5:] == ["ada", "-"]

    def test_waits_for_nothing_where_nothing_is_live(self, aivcs):
        assert aivcs.ok("release", "watch", "--once", "coder").out == b""

    def test_ends_with_the_code_of_a_command_that_fails(self, aivcs, release):
        release("one")
        done = aivcs("release", "watch", "--once", "coder", "sh", "-c", "exit 7", code=7)
        assert b"failed for coder@1 with exit code 7\n" in done.err  # and not: again in 1 s

    def test_does_nothing_again_that_its_state_remembers(self, aivcs, release):
        release("one", "--label", "v1")
        words = ["release", "watch", "--once", "--state", "s", "coder", "sh", "-c", LOG]
        aivcs.ok(*words)
        aivcs.ok(*words)
        assert deployed(aivcs) == ["1 v1"]
        release("two", "--label", "v2")
        aivcs.ok(*words)
        assert deployed(aivcs) == ["1 v1", "2 v2"]

    def test_handles_each_release_that_came_since(self, aivcs, release):
        words = ["release", "watch", "--once", "--each", "--state", "s", "coder", "sh", "-c", LOG]
        release("zero", "--label", "v0")
        aivcs.ok(*words)
        for number in range(1, 4):
            release(f"{number}", "--label", f"v{number}")
        aivcs.ok("release", "rollback", "coder", "--reason", "bad")
        aivcs.ok(*words)
        assert deployed(aivcs) == ["1 v0", "2 v1", "3 v2", "4 v3", "5 v2"]

    def test_gives_a_cloud_event_to_the_command(self, aivcs, release):
        spec = release("one", "--label", "v1")
        entry = json.loads(aivcs.release_log("coder").read_text())
        for arguments in ([], ["--exec", "cat"]):
            event = aivcs.ok("release", "watch", "--once", "--json", "coder", *arguments).json
            # https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md#required-attributes
            assert event["specversion"] == "1.0"
            assert event["id"] == entry["hash"]
            assert event["source"] == f"file://{aivcs.store}"
            assert event["type"] == "aivcs.release.promote"
            assert event["subject"] == "coder"
            assert event["time"] == entry["created_at"]
            assert event["data"]["spec_digest"] == spec

    @pytest.mark.parametrize(
        ("words", "says"),
        [
            (["coder", "--each"], "options come before it"),
            (["coder", "--exec"], "followed by a command"),
            (["coder", ""], "unset"),
            (["--state", "", "coder"], "unset"),
            (["coder@v1"], "takes the NAME alone"),
            (["--no-verify", "--require-signature", "coder"], "leave out one"),
            (["--require-signature", "coder"], "signing.allowed_signers"),
        ],
    )
    def test_explains_a_mistake(self, aivcs, release, words, says):
        release("one")
        assert says in aivcs("release", "watch", "--once", *words, code=2).complaint

    def test_a_command_that_is_not_there_ends_the_watch(self, aivcs, release):
        release("one")
        done = aivcs("release", "watch", "coder", "/nonexistent/deploy", code=2)
        assert b"cannot execute '/nonexistent/deploy': No such file" in done.err

    def test_refuses_the_state_of_another_name(self, aivcs, release):
        release("one")
        release("one", name="other")
        aivcs.ok("release", "watch", "--once", "--state", "s", "coder", "true")
        done = aivcs("release", "watch", "--once", "--state", "s", "other", "true", code=2)
        assert "give each its own" in done.complaint


class TestVerification:
    @pytest.fixture
    def signing(self, aivcs, tmp_path):
        if shutil.which("ssh-keygen") is None:
            pytest.skip("there is no ssh-keygen")
        for name in ("ada", "eve"):
            subprocess.run(
                ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", tmp_path / name],
                check=True,
            )
        kind, key, _ = (tmp_path / "ada.pub").read_text().split(" ", 2)
        (tmp_path / "allowed").write_text(f"ada@example.com {kind} {key}\n")
        aivcs.ok("config", "set", "--user", "signing.allowed_signers", str(tmp_path / "allowed"))
        return {name: ["--signing-key", str(tmp_path / name)] for name in ("ada", "eve")}

    @pytest.mark.parametrize("by_policy", [False, True])
    def test_executes_nothing_for_an_unsigned_release_where_a_signature_is_demanded(
        self, aivcs, release, signing, tmp_path, by_policy
    ):
        env, options = {}, ["--require-signature"]
        if by_policy:
            (tmp_path / "etc/aivcs").mkdir(parents=True)
            (tmp_path / "etc/aivcs/config.toml").write_text(
                '[policy."*"]\nrequire_signature = true\n'
            )
            env, options = {"XDG_CONFIG_DIRS": str(tmp_path / "etc")}, []
        words = ["release", "watch", "--once", *options, "coder", "sh", "-c", LOG]
        for key in (None, "eve"):
            release(f"by {key}", *signing.get(key, []))
            done = aivcs(*words, code=15, env=env)
            assert b"may not be deployed here" in done.err
            assert deployed(aivcs) == []
        aivcs.ok("release", "sign", "coder", *signing["ada"])
        aivcs.ok(*words, env=env)
        assert len(deployed(aivcs)) == 1

    def test_a_watch_goes_on_when_the_signature_comes(self, aivcs, release, signing, watch):
        release("one", "--label", "v1", *signing["ada"])
        process = watch("--require-signature", "coder", "sh", "-c", LOG, stderr=subprocess.PIPE)
        until(lambda: deployed(aivcs) == ["1 v1"], process)
        release("two", "--label", "v2")
        while b"may not be deployed here" not in process.stderr.readline():
            pass
        aivcs.ok("release", "sign", "coder", *signing["ada"])
        until(lambda: deployed(aivcs)[1:], process)
        assert deployed(aivcs) == ["1 v1", "3 v2"]

    def test_what_is_not_signed_is_passed_over_where_each_is_handled(self, aivcs, release, signing):
        words = ["release", "watch", "--once", "--each", "--state", "s", "--require-signature"]
        release("one", "--label", "v1", *signing["ada"])
        aivcs.ok(*words, "coder", "sh", "-c", LOG)
        release("two", "--label", "v2")
        release("three", "--label", "v3", *signing["ada"])
        aivcs(*words, "coder", "sh", "-c", LOG, code=15)
        assert [line.split()[1] for line in deployed(aivcs)] == ["v1", "v3"]

    def test_the_configuration_of_the_store_is_not_asked(self, aivcs, release):
        release("one")
        aivcs.ok("config", "set", "policy.*.require_signature", "true")
        done = aivcs.ok("release", "watch", "--once", "coder", "echo", "deployed")
        assert done.text == "deployed"

    def test_a_changed_run_of_the_evidence_is_an_objection(self, aivcs, release):
        run = aivcs.begin("coder")
        aivcs.ok("run", "finish", run)
        release("one", "--evidence", run)
        aivcs.run_log(run).unlink()
        done = aivcs("release", "watch", "--once", "coder", "echo", "deployed", code=15)
        assert done.out == b""
        assert b"evidence" in done.err
        assert aivcs.ok("release", "watch", "--once", "--no-verify", "coder", "echo", "x").text


class TestALogThatDoesNotExtendWhatWasSeen:
    def lines(self, aivcs):
        return aivcs.release_log("coder").read_bytes().splitlines(keepends=True)

    @pytest.mark.parametrize("what", ["cut", "replaced", "removed"])
    def test_ends_a_watch(self, aivcs, release, watch, what):
        release("one", "--label", "v1")
        release("two", "--label", "v2")
        process = watch("coder", "sh", "-c", LOG, stderr=subprocess.PIPE)
        until(lambda: deployed(aivcs) == ["2 v2"], process)
        self.harm(aivcs, release, what)
        assert process.wait(30) == 14
        assert b"does not extend what was seen" in process.stderr.read()
        assert deployed(aivcs) == ["2 v2"]

    @pytest.mark.parametrize("what", ["cut", "replaced", "removed"])
    @pytest.mark.parametrize("each", [[], ["--each"]])
    def test_is_noticed_after_a_restart(self, aivcs, release, what, each):
        words = ["release", "watch", "--once", *each, "--state", "s", "coder", "sh", "-c", LOG]
        release("one", "--label", "v1")
        release("two", "--label", "v2")
        aivcs.ok(*words)
        self.harm(aivcs, release, what)
        assert b"does not extend what was seen" in aivcs(*words, code=14).err
        assert deployed(aivcs) == ["2 v2"]

    def harm(self, aivcs, release, what):
        log = aivcs.release_log("coder")
        if what == "removed":
            log.unlink()
        elif what == "cut":
            log.write_bytes(self.lines(aivcs)[0])
        else:
            log.unlink()
            for number in range(3):
                release(f"other {number}")


class TestSignals:
    def test_sigterm_ends_the_command_and_then_the_watch(self, aivcs, release, watch):
        release("one")
        process = watch(
            "coder", "sh", "-c",
            "trap 'echo ended >>deployed; exit 0' TERM; echo begun >>deployed; sleep 60 & wait",
        )  # fmt: skip
        until(lambda: deployed(aivcs), process)
        process.terminate()
        assert process.wait(30) == -signal.SIGTERM
        assert deployed(aivcs) == ["begun", "ended"]

    def test_sigterm_while_the_command_starts_ends_both(self, tmp_path):
        """It comes before the watch knows the process of the command."""
        script = """
import os, signal, sys
from aivcs.cli.release.watch_command import Terminated, end_on_sigterm, execute
end_on_sigterm()
def prepare():
    with open("pid", "w") as file:
        file.write(str(os.getpid()))
    os.kill(os.getppid(), signal.SIGTERM)
try:
    execute(["sleep", "60"], os.environ, b"", prepare)
except Terminated:
    print("terminated")
"""
        done = subprocess.run(
            [sys.executable, "-c", script], cwd=tmp_path, stdout=subprocess.PIPE, check=True
        )
        assert done.stdout == b"terminated\n"
        with pytest.raises(ProcessLookupError):
            os.kill(int((tmp_path / "pid").read_text()), 0)

    def test_a_command_that_fails_is_executed_again(self, aivcs, release, watch):
        release("one")
        process = watch("coder", "sh", "-c", "echo x >>deployed; [ $(wc -l <deployed) -gt 1 ]")
        until(lambda: deployed(aivcs) == ["x", "x"], process)

    def test_another_release_does_not_wait_for_one_that_fails(self, aivcs, release, watch):
        release("one", "--label", "v1")
        process = watch("coder", "sh", "-c", f'{LOG}; [ "$AIVCS_RELEASE_LABEL" = v2 ]')
        until(lambda: "1 v1" in deployed(aivcs), process)
        release("two", "--label", "v2")
        until(lambda: deployed(aivcs)[-1] == "2 v2", process)

    def test_the_command_of_a_killed_watch_is_waited_for(self, aivcs, release, watch):
        script = (
            "echo begin >>deployed; while [ ! -e go ]; do sleep 0.02; done; echo end >>deployed"
        )
        release("one")
        first = watch("--state", "s", "coder", "sh", "-c", script)
        until(lambda: deployed(aivcs) == ["begin"], first)
        first.kill()
        first.wait()
        second = watch("--state", "s", "coder", "sh", "-c", script, stderr=subprocess.PIPE)
        assert b"waits for process" in second.stderr.readline()
        assert deployed(aivcs) == ["begin"]
        (aivcs.folder / "go").touch()
        until(lambda: len(deployed(aivcs)) == 4, second)
        assert deployed(aivcs) == ["begin", "end", "begin", "end"]

    def test_two_watches_do_not_share_a_state(self, aivcs, release, watch):
        release("one")
        first = watch("--state", "s", "coder", "sh", "-c", LOG)
        until(lambda: deployed(aivcs), first)
        aivcs("--lock-timeout", "0.1", "release", "watch", "--state", "s", "coder", "x", code=11)


@pytest.mark.parametrize("each", [False, True])
@pytest.mark.parametrize("promotions", [25, pytest.param(400, marks=pytest.mark.slow)])
def test_random_kills_among_promotions(aivcs, watch, each, promotions):
    """What is live at the end has run last; with --each, no release was missed."""
    script = f"""
one=$(echo one | {" ".join(COMMAND)} blob put -)
two=$(echo two | {" ".join(COMMAND)} blob put -)
for number in $(seq {promotions}); do
    spec=$one; [ $((number % 2)) = 0 ] && spec=$two
    {" ".join(COMMAND)} release promote coder "$spec" --label "v$number" >/dev/null 2>&1 || exit 1
done
"""
    command = """
echo "begin $AIVCS_RELEASE_SEQ" >>deployed
sleep 0.0$((AIVCS_RELEASE_SEQ % 4))
echo "end $AIVCS_RELEASE_SEQ" >>deployed
"""
    options = ["--each"] if each else []
    chance = random.Random(20261130)
    words = [*options, "--no-verify", "--state", "s", "coder", "sh", "-c", command]
    process = watch(*words, stderr=subprocess.DEVNULL)
    until((aivcs.folder / "s/cursor.json").exists, process)
    promoting = subprocess.Popen(["bash", "-c", script], cwd=aivcs.folder, env=aivcs.environment())
    kills = 0
    while promoting.poll() is None:
        time.sleep(chance.uniform(0.05, 0.5))
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        kills += 1
        process = watch(*words, stderr=subprocess.DEVNULL)
    assert promoting.returncode == 0
    until(lambda: f"end {promotions}" in deployed(aivcs), process, seconds=300)
    lines = deployed(aivcs)
    assert kills > 1
    assert lines[-1] == f"end {promotions}"
    assert all(
        begin.split()[1] == end.split()[1] and begin.startswith("begin") and end.startswith("end")
        for begin, end in zip(lines[::2], lines[1::2], strict=True)
    )
    seqs = [int(line.split()[1]) for line in lines[1::2]]
    assert seqs == sorted(seqs)
    if each:
        assert set(seqs) == set(range(1, promotions + 1))
