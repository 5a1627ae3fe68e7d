"""A store that goes away: what is said, how long it is tried, and what goes on."""

import json
import os
import pty
import select
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from formats import samples

from aivcs.commands.run.shell_session import ShellSession
from aivcs.errors import UnreachableError
from aivcs.store.settings import Settings


@pytest.fixture
def spec(remote):
    return remote.at("blob", "put", "-", stdin="a spec").text


@pytest.fixture
def run(remote, spec):
    return remote.at("run", "start", "--agent", "bot", "--spec", spec).text


@pytest.fixture
def impatient(remote):
    """The user does not want to wait."""
    remote.configure("[remote]\ntimeout = 0\n")


def events(remote, run):
    return [json.loads(line) for line in remote.at("run", "events", run, "--json").lines]


class TestMessage:
    def test_says_what_was_not_reached_that_nothing_was_done_and_to_try_again(
        self, remote, impatient, run
    ):
        before = remote.place.read_bytes()
        remote.go_away()
        for words in (
            ("blob", "put", "-"), ("run", "log", run, "k"), ("run", "finish", run), ("status",),
            ("run", "list"), ("verify",), ("release", "current", "bot"), ("gc",), ("head",),
            ("run", "show", run), ("release", "list"), ("config", "set", "core.lock_timeout", "1"),
            ("run", "events", run), ("run", "reap"), ("spec", "list"), ("store", "check"),
        ):  # fmt: skip
            done = remote.at(*words, code=75)
            assert done.out == "", words
            assert done.err == (
                f"aivcs: cannot reach {remote.url}: connection refused; nothing was done. "
                "Try again\n"
            ), words
        assert remote.place.read_bytes() == before

    def test_is_json_where_that_was_asked_for(self, remote, impatient):
        remote.go_away()
        done = remote.at("status", "--json", code=75)
        assert json.loads(done.err) == {
            "error": "UnreachableError",
            "message": f"cannot reach {remote.url}: connection refused; nothing was done. "
            "Try again",
            "exit_code": 75,
        }

    @pytest.mark.parametrize("words", [("init",), ("init", "--link"), ("trust",)], ids=str)
    def test_of_what_names_a_store_leaves_nothing_behind(self, remote, impatient, words):
        config = (remote.home / ".config/aivcs/config.toml").read_text()
        remote.go_away()
        remote(*words, remote.url, code=75)
        assert list(remote.folder.iterdir()) == []
        assert (remote.home / ".config/aivcs/config.toml").read_text() == config


class TestDamage:
    @pytest.mark.parametrize(
        "words",
        [
            ("verify",), ("run", "list"), ("run", "search", "x"), ("release", "list"),
            ("release", "verify"), ("status",),
        ],
        ids=str,
    )  # fmt: skip
    def test_is_not_what_a_store_is_called_that_goes_away(self, remote, impatient, run, words):
        for number in range(3):
            digest = remote.at("blob", "put", "-", stdin=f"{number}").text
            remote.at("release", "promote", f"bot{number}", digest)
        after = 0
        while True:
            remote.come_back()
            remote.go_away(after)
            done = remote.at(*words, code=None)
            if done.code in {0, 1}:  # 1: nothing was found
                break
            assert done.code == 75, (after, done)
            assert "damage" not in done.out + done.err
            after += 3
        assert after > 3

    def test_ends_an_import_of_several_files(self, remote, impatient, run):
        names = [f"{number}.jsonl" for number in range(3)]
        for after in (20, 40):
            for name in names:
                session = f"{after}-{name}".encode()
                data = samples.CLAUDE.replace(samples.CLAUDE_ID.encode(), session)
                (remote.folder / name).write_bytes(data)
            remote.go_away(after)
            before = remote.attempts
            done = remote.at("run", "import", *names, code=75)
            assert done.err.count("cannot reach") == 1, (after, done)
            assert remote.attempts - before < 3, after
            remote.come_back()

    def test_is_not_what_an_annotation_is_called(self, remote, impatient, run):
        for text in "abc":
            remote.at("run", "annotate", run, "-m", text)
        head = remote.at("head").text
        after = 0
        while True:
            remote.come_back()
            remote.go_away(after)
            done = remote.at("verify", "--head", head, code=None)
            if not done.code:
                break
            assert done.code == 75, (after, done)
            after += 1


class TestRetries:
    def test_go_on_until_the_store_is_back_and_say_so_once(self, remote, run):
        remote.go_away()
        begun = subprocess.Popen(
            [remote.script, "run", "log", run, "late"], cwd=remote.folder, stderr=subprocess.PIPE,
            env=remote.environment(AIVCS_STORE=remote.url),
        )  # fmt: skip
        while remote.attempts < 3:
            time.sleep(0.01)
        remote.come_back()
        _, err = begun.communicate(timeout=60)
        assert begun.returncode == 0
        assert err.decode() == (
            f"aivcs: warning: cannot reach {remote.url}: connection refused; trying for 60 s\n"
        )
        assert [event["kind"] for event in events(remote, run)] == ["late"]

    def test_end_after_the_configured_time(self, remote, run):
        remote.configure("[remote]\ntimeout = 0.5\n")
        remote.go_away()
        done = remote.at("run", "log", run, "k", code=75)
        assert done.err.endswith("connection refused; nothing was done. Try again\n")
        assert remote.attempts > 1

    def test_are_ended_by_ctrl_c(self, remote, run):
        remote.go_away()
        begun = subprocess.Popen(
            [remote.script, "run", "log", run, "k"], cwd=remote.folder, stderr=subprocess.PIPE,
            env=remote.environment(AIVCS_STORE=remote.url),
        )  # fmt: skip
        while not remote.attempts:
            time.sleep(0.01)
        begun.send_signal(signal.SIGINT)
        begun.communicate(timeout=60)
        assert begun.returncode == -signal.SIGINT

    def test_are_not_a_stores_to_decide(self, remote):
        remote.at("config", "set", "remote.timeout", "1", code=2)
        assert "--user" in remote.at("config", "set", "remote.tls", "disable", code=2).err
        remote.at("config", "set", "--user", "remote.tls", "off", code=2)
        remote.at("config", "set", "--user", "remote.timeout", "-1", code=2)
        remote.at("config", "set", "--user", "remote.timeout", "7")
        assert remote.at("config", "get", "remote.timeout").text == "7"

    def test_of_completion_do_not_hold_the_keyboard_up(self, remote, run):
        remote.go_away()
        done = remote.at("__complete", "run", "")
        assert (done.out, done.err) == ("", "")


class TestExec:
    SCRIPT = "echo begin; touch begun; while [ ! -e go ]; do sleep 0.01; done; echo end; exit 3"

    def start(self, remote, spec, *options):
        return subprocess.Popen(
            [remote.script, "run", "exec", "--agent", "bot", "--spec", spec, *options, "--",
             "sh", "-c", self.SCRIPT],
            cwd=remote.folder, env=remote.environment(AIVCS_STORE=remote.url),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def test_the_command_goes_on_and_what_is_not_recorded_is_said(self, remote, impatient, spec):
        begun = self.start(remote, spec)
        self.wait_for(remote.folder / "begun")
        (run,) = [line.split("\t")[0] for line in remote.at("run", "list").lines]
        remote.go_away()
        (remote.folder / "go").touch()
        out, err = begun.communicate(timeout=60)
        assert (begun.returncode, out) == (3, "begin\nend\n")
        assert err == (
            f"aivcs: cannot reach {remote.url}: connection refused\n"
            f"aivcs: run {run} is not recorded to its end; it is still running there, and ends "
            f"by: aivcs run finish {run} --exit-code 3\n"
        )
        remote.come_back()
        remote.at("run", "finish", run, "--exit-code", "3")
        assert json.loads(remote.at("run", "show", run, "--json").out)["status"] == "FAILED"

    def test_a_store_that_is_back_at_the_end_gets_the_end(self, remote, impatient, spec):
        begun = self.start(remote, spec)
        self.wait_for(remote.folder / "begun")
        (run,) = [line.split("\t")[0] for line in remote.at("run", "list").lines]
        while len(events(remote, run)) < 2:
            time.sleep(0.01)
        remote.go_away()
        (remote.folder / "go").touch()
        while not remote.attempts:
            time.sleep(0.01)
        # The end may come before or after this; both are told.
        remote.come_back()
        out, err = begun.communicate(timeout=60)
        assert (begun.returncode, out) == (3, "begin\nend\n")
        assert f"run {run} is not recorded to its end" in err
        if "it is still running there" not in err:
            assert "connection refused" in events(remote, run)[-1]["payload"]["lost"]

    def test_a_store_that_is_away_at_the_start_is_75s_message_and_125(
        self, remote, impatient, spec
    ):
        remote.go_away()
        words = ("run", "exec", "--agent", "bot", "--spec", spec)
        done = remote.at(*words, "--", "touch", "ran", code=125)
        assert "cannot reach" in done.err
        assert not (remote.folder / "ran").exists()
        done = remote.at(*words, "--best-effort", "--", "touch", "ran")
        assert "nothing of it is recorded" in done.err
        assert (remote.folder / "ran").exists()

    def wait_for(self, path):
        while not path.exists():
            time.sleep(0.01)


class TestShellSession:
    def script(self, remote, text, **env):
        setup = f'eval "$({remote.script} shell-init)"\n'
        return remote(
            "-c", setup + text, command=["bash"], code=None,
            env={"AIVCS_STORE": remote.url, "TMPDIR": str(remote.folder), **env},
        )  # fmt: skip

    def test_works_on_a_url(self, remote, run):
        done = self.script(
            remote, "aivcs_log a n:=1; (aivcs_log b); aivcs_flush && aivcs_finish", AIVCS_RUN=run
        )
        assert (done.code, done.err) == (0, "")
        assert [event["kind"] for event in events(remote, run)] == ["a", "b"]
        assert json.loads(remote.at("run", "show", run, "--json").out)["status"] == "COMPLETED"

    def test_goes_on_and_says_which_event_is_not_recorded(self, remote, impatient, run):
        done = self.script(
            remote,
            "aivcs_log a; aivcs_flush; touch $AWAY; aivcs_log b; aivcs_log c\n"
            "aivcs_flush; echo flush $?\n"
            "rm $AWAY; aivcs_log d; aivcs_flush; echo flush $?; echo went on",
            AIVCS_RUN=run, AWAY=f"{remote.place}.away",
        )  # fmt: skip
        assert done.lines == ["flush 75", "flush 0", "went on"]
        assert "event 2 (b) was refused: cannot reach" in done.err
        assert "event 3 (c) was refused: cannot reach" in done.err
        assert [event["kind"] for event in events(remote, run)] == ["a", "d"]

    def test_a_store_that_is_away_is_said_with_the_first_event(self, remote, impatient, run):
        remote.go_away()
        done = self.script(remote, "aivcs_log a; echo $?", AIVCS_RUN=run)
        assert done.lines[0] == "75"
        assert "cannot reach" in done.err


def test_a_password_command_is_asked_only_as_the_user_says(remote):
    """The backend of these tests needs none; the key is the user's alone."""
    remote.at("config", "set", "--user", "remote.password_command", "pass show db")
    assert remote.at("config", "get", "remote.password_command").text == "pass show db"


def test_a_dumb_terminal_gets_the_same_sentence(remote, impatient):
    remote.go_away()
    controller, terminal = pty.openpty()
    begun = subprocess.Popen(
        [remote.script, "status"], cwd=remote.folder, stdin=terminal, stdout=terminal,
        stderr=terminal, env=remote.environment(AIVCS_STORE=remote.url, TERM="dumb"),
    )  # fmt: skip
    os.close(terminal)
    assert begun.wait(60) == 75
    text = b""
    while select.select([controller], [], [], 0.5)[0]:
        try:
            text += os.read(controller, 4096)
        except OSError:
            break
    os.close(controller)
    assert b"\x1b" not in text
    assert b" ".join(text.split()).endswith(b"nothing was done. Try again")
    assert Path(remote.place).exists()


class Ledger:
    """A ledger that notes how long each append would try, and fails while it is away."""

    def __init__(self, settings):
        self._settings = settings
        self.is_away = True
        self.patience: list[float] = []

    def append_events(self, run_id, events):
        self.patience.append(self._settings.remote.timeout)
        if self.is_away:
            raise UnreachableError("x://h", "refused")


def test_a_script_waits_once_for_a_store_that_stays_away_and_again_when_it_was_back():
    settings = Settings()
    ledger: Any = Ledger(settings)
    found: Any = (ledger, "r", settings)
    session = ShellSession(
        "1",
        find_run=lambda *_: found,
        fetch=lambda _: b"",
        answer=lambda *_: None,
    )
    for is_away in (True, True, True, False, True, True):
        ledger.is_away = is_away
        session.receive(b"\0event\0001\0r\0\0/\0k\0\n")
        session.store()
    assert ledger.patience == [60, 0, 0, 0, 60, 0]


def test_a_store_that_cannot_be_opened_is_not_asked_for_by_each_event():
    asked = []

    def find_run(*where):
        asked.append(where)
        raise UnreachableError("x://h", "refused")

    answers = []
    session = ShellSession(
        "1", find_run=find_run, fetch=lambda _: b"",
        answer=lambda shell, what, refused, count: answers.append((len(refused), count)),
    )  # fmt: skip
    session.receive(b"\0event\0001\0r\0\0/\0k\0\n" * 5 + b"\0flush\0001\0001\0\n")
    assert len(asked) == 1
    assert answers == [(5, 5)]


def test_a_server_is_reached_with_the_users_time_limit_before_the_store_is_known(remote, impatient):
    pytest.importorskip("psycopg")
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))  # nobody listens there
        url = f"postgresql://127.0.0.1:{held.getsockname()[1]}/x"
        for words in (("init",), ("status",)):
            done = remote(*words, env={"AIVCS_STORE": url}, code=75)  # in 60 s it would be killed
            assert f"cannot reach {url}" in done.err


def test_a_warning_hides_the_password_of_a_url_that_is_wrong(aivcs):
    """A password with an unescaped slash: where it ends is not clear."""
    pytest.importorskip("psycopg")
    aivcs.ok("config", "set", "--user", "remote.timeout", "0.3")
    done = aivcs("--store", "postgresql://me:hunter2/x@y@127.0.0.1:9/db", "run", "list", code=75)
    assert "trying for" in done.err.decode()
    assert "hunter2" not in done.out.decode() + done.err.decode()
