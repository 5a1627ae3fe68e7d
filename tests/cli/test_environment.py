"""What surrounds a command must not change what it does: home, locale, streams, users, folders."""

import fcntl
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import termios
import time

import pytest

ROOT = os.geteuid() == 0


class TestHome:
    @pytest.mark.parametrize(
        "env",
        [{"HOME": None}, {"HOME": ""}, {"HOME": "/nonexistent"}, {"HOME": "/dev/null"}],
        ids=str,
    )
    def test_need_not_be_there(self, aivcs, env):
        spec = aivcs.ok("blob", "put", "-", stdin="x", env=env).text
        run = aivcs.ok("run", "start", "--agent", "a", "--spec", spec, env=env).text
        aivcs.ok("run", "log", run, "k", env=env)
        aivcs.ok("run", "finish", run, env=env)
        assert aivcs.ok("release", "promote", "bot", spec, env=env).text == spec
        aivcs.ok("config", "list", env=env)

    def test_its_configuration_counts(self, aivcs):
        config = aivcs.home / ".config" / "aivcs" / "config.toml"
        config.parent.mkdir(parents=True)
        config.write_text("[limits]\nevent_bytes = 1024\n")
        run = aivcs.begin()
        assert aivcs("run", "log", run, "k", "a=" + "x" * 2000, code=2).complaint
        other = {"XDG_CONFIG_HOME": str(aivcs.home / "other")}
        aivcs.ok("run", "log", run, "k", "a=" + "x" * 2000, env=other)

    def test_its_broken_configuration_is_named(self, aivcs):
        config = aivcs.home / ".config" / "aivcs" / "config.toml"
        config.parent.mkdir(parents=True)
        config.write_text("[limits")
        assert str(config) in aivcs("blob", "ls", code=2).complaint

    @pytest.mark.parametrize(
        "command", [["blob", "ls"], ["config", "set", "--user", "core.durability", "batch"]]
    )
    def test_a_pipe_in_place_of_it_is_refused_and_not_waited_for(self, aivcs, command):
        config = aivcs.home / ".config" / "aivcs" / "config.toml"
        config.parent.mkdir(parents=True)
        os.mkfifo(config)
        complaint = aivcs(*command, code=16).complaint
        assert complaint.endswith(f" {config}: it is not a regular file")
        config.unlink()
        config.symlink_to("/dev/null")  # how one says that there is to be none
        assert aivcs.ok("blob", "ls").out == b""
        aivcs("config", "set", "--user", "core.durability", "batch", code=16)
        assert config.is_symlink()

    def test_its_configuration_may_be_kept_elsewhere(self, aivcs):
        config = aivcs.home / ".config" / "aivcs" / "config.toml"
        config.parent.mkdir(parents=True)
        kept = aivcs.folder / "dotfiles.toml"
        kept.write_text("# mine\n")
        config.symlink_to(kept)
        aivcs.ok("config", "set", "--user", "core.durability", "batch")
        assert config.is_symlink()
        assert kept.read_text().startswith("# mine\n")
        assert aivcs.ok("config", "get", "core.durability").text == "batch"


@pytest.mark.skipif(not ROOT, reason="needs root, to be another user")
@pytest.mark.skipif(shutil.which("setpriv") is None, reason="needs setpriv")
def test_a_user_without_an_entry_and_a_home_does_everything():
    """As containers run: an id that the list of users does not have, and no HOME."""
    # The interpreter may lie where only root can look.
    words = ["setpriv", "--reuid=54321", "--regid=54321", "--clear-groups"]
    words += ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
    words += [sys.executable, "-P", "-m", "aivcs"]
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        os.chown(folder, 54321, 54321)

        def nobody(*arguments, code=0):
            done = subprocess.run(
                [*words, *arguments], cwd=folder, env={"PATH": os.environ["PATH"]},
                input="x", capture_output=True, text=True, timeout=60, check=False,
            )  # fmt: skip
            assert done.returncode == code, done
            return done

        nobody("init")
        spec = nobody("blob", "put", "-").stdout.strip()
        run = nobody("run", "start", "--agent", "a", "--spec", spec).stdout.strip()
        nobody("run", "log", run, "k")
        nobody("run", "finish", run)
        nobody("run", "exec", "--agent", "a", "--spec", spec, "--", "true")
        nobody("release", "promote", "bot", spec)
        entry = json.loads(nobody("release", "history", "bot", "--json").stdout)
        assert entry["metadata"]["promoted_by"].startswith("uid54321@")
        for command in ("config list", "status", "verify", "gc", "head"):
            nobody(*command.split())
        done = nobody("config", "set", "--user", "core.durability", "batch", code=2)
        assert "set HOME" in done.stderr


class TestAHardenedInterpreter:
    NUMBER = "9" * 4300

    @pytest.fixture
    def run(self, aivcs):
        run = aivcs.begin("bot", b"a spec\n", "--tag", f"n={self.NUMBER}")
        aivcs.ok("run", "log", run, "k", f'{{"n":{self.NUMBER},"list":[1,2.5,"x"]}}')
        return run

    @pytest.mark.parametrize(
        "env",
        [
            {"PYTHONINTMAXSTRDIGITS": "640"},
            {"PYTHONINTMAXSTRDIGITS": "0"},
            {"PYTHONSAFEPATH": "1"},
            {"PYTHONWARNINGS": "error"},
            {"PYTHONOPTIMIZE": "2"},
            {"PYTHONDEVMODE": "1", "PYTHONWARNINGS": "error"},
        ],
        ids=str,
    )
    def test_gives_the_same_answers_and_keeps_the_same_limits(self, aivcs, run, env):
        for command in (
            ["run", "events", "--json", run],
            ["run", "show", run],
            ["run", "list"],
            ["verify"],
        ):
            wanted, found = aivcs.ok(*command), aivcs.ok(*command, env=env)
            assert (found.out, found.err) == (wanted.out, wanted.err)
        lines = f'{{"kind":"k","payload":{self.NUMBER}}}\n' * 2
        aivcs.ok("run", "log", "--stdin", run, stdin=lines, env=env)
        assert aivcs.events(run)[-1]["payload"] == int(self.NUMBER[:4000]) * 10**300 + 10**300 - 1
        assert "4301 digits" in aivcs("run", "log", run, "k", f"{self.NUMBER}0", code=2).complaint

    def test_that_ignores_its_environment_and_its_folder(self, aivcs, run):
        (aivcs.folder / "json.py").write_text("raise SystemExit(9)\n")
        wanted = aivcs.ok("run", "events", "--json", run).out
        isolated = [sys.executable, "-I", "-W", "error", "-m", "aivcs"]
        done = subprocess.run(
            [*isolated, "run", "events", "--json", run],
            cwd=aivcs.folder, env=aivcs.environment(), capture_output=True, check=True,
        )  # fmt: skip
        assert (done.stdout, done.stderr) == (wanted, b"")


class TestAnotherSystem:
    """Linux without what macOS lacks: what the standard library has there only where it is."""

    MISSING = (
        "fdatasync posix_fadvise posix_fallocate O_TMPFILE O_DIRECT O_PATH O_NOATIME pipe2 eventfd "
        "sched_getaffinity getrandom memfd_create pidfd_open copy_file_range splice waitid "
        "getxattr setxattr unshare setns setresuid setresgid sigwaitinfo sigtimedwait SIGPWR "
        "SIGRTMIN SIGRTMAX epoll F_SETPIPE_SZ F_GETPIPE_SZ F_OFD_SETLK F_OFD_SETLKW CLOCK_BOOTTIME"
    )

    @pytest.fixture
    def env(self, tmp_path):
        (tmp_path / "sitecustomize.py").write_text(
            "import _signal, fcntl, os, posix, select, signal, sys, time\n"
            "for module in (_signal, fcntl, os, posix, select, signal, time):\n"
            f"    for name in {self.MISSING!r}.split():\n"
            "        vars(module).pop(name, None)\n"
            "sys.platform = 'darwin'\n"
        )
        return {"PYTHONPATH": str(tmp_path)}

    def test_is_served_as_far_as_it_goes(self, aivcs, env):
        spec = aivcs.ok("blob", "put", "-", stdin="x", env=env).text
        run = aivcs.ok("run", "start", "--agent", "a", "--spec", spec, env=env).text
        events = '{"kind":"a","payload":1}\n{"kind":"b","payload":2}\n'
        aivcs.ok("run", "log", "--stdin", run, stdin=events, env=env)
        aivcs.ok("run", "finish", run, env=env)
        aivcs.ok("release", "promote", "bot", spec, env=env)
        for command in ("verify", "gc", "status", "head", "run list", "run reap", "config list"):
            aivcs.ok(*command.split(), env=env)
        done = aivcs.shell(
            'export AIVCS_RUN=$(aivcs run start --agent a --spec "$1")\n'
            'eval "$(aivcs shell-init bash)"; aivcs_log k a=1; aivcs_log k a=2\n'
            "aivcs_flush && aivcs run events @ | wc -l", spec, env=env,
        )  # fmt: skip
        assert (done.code, done.text.strip()) == (0, "2"), done

    def test_is_told_what_it_cannot_have(self, aivcs, env, unchanged):
        spec = aivcs.put(b"x")
        with unchanged:
            done = aivcs(
                "run", "exec", "--agent", "a", "--spec", spec, "--", "true", code=125, env=env
            )
        assert done.complaint.startswith(
            "run exec needs sigwaitinfo, which this system does not have"
        )


class TestWorkingDirectory:
    def test_may_be_gone_when_the_store_is_named(self, aivcs):
        spec = aivcs.put(b"x")
        done = aivcs.shell(
            'mkdir gone && cd gone && rmdir ../gone && export AIVCS_STORE="$1"\n'
            'set -e; aivcs blob get $2; run=$(aivcs run start --agent a --spec $2)\n'
            "aivcs run log $run k; aivcs run finish $run; aivcs release promote bot $2",
            str(aivcs.store), spec,
        )  # fmt: skip
        assert done.code == 0, done
        assert done.out == f"x{spec}\n".encode()

    def test_is_missed_when_the_store_is_to_be_found_from_it(self, aivcs):
        done = aivcs.shell("mkdir gone && cd gone && rmdir ../gone && aivcs blob ls")
        assert done.code == 2
        assert "working directory" in done.complaint

    @pytest.mark.parametrize("arguments", ["init", "init sub", "--store .aivcs blob ls"])
    def test_is_missed_when_a_path_begins_at_it(self, aivcs, arguments):
        done = aivcs.shell(f"mkdir gone && cd gone && rmdir ../gone && aivcs {arguments}")
        assert done.code == 2
        assert "working directory" in done.complaint


class TestLocale:
    @pytest.mark.parametrize(
        "env",
        [
            {"LC_ALL": "C"},
            {"LC_ALL": "POSIX"},
            {"LC_ALL": None},
            {"LC_ALL": "nonsense"},
            {"LC_ALL": "C.UTF-8"},
            {"LC_ALL": "C", "PYTHONIOENCODING": "latin-1"},
        ],
        ids=str,
    )
    def test_does_not_change_what_is_stored_or_printed(self, aivcs, env):
        run = aivcs.begin()
        aivcs.ok("run", "log", run, "küche", "a=☃ü", env=env)
        aivcs.ok("run", "log", run, "k", "-", stdin='"☃ü"', env=env)
        out = aivcs.ok("run", "events", run, "--json", env=env).out.decode()
        first, second = map(json.loads, out.splitlines())
        assert (first["kind"], first["payload"]) == ("küche", {"a": "☃ü"})
        assert second["payload"] == "☃ü"
        assert "☃" in out
        assert "☃ü" in aivcs.ok("run", "events", run, env=env).text

    def test_of_another_encoding_does_not_change_what_comes_through_streams(self, aivcs, latin1):
        run = aivcs.begin()
        aivcs.ok("run", "log", run, "k", "-", stdin='"☃ü"', env=latin1)
        aivcs.ok("run", "log", "--stdin", run, stdin='{"kind":"☃"}', env=latin1)
        lines = aivcs.ok("run", "events", run, "--json", env=latin1).json_lines
        assert [(e["kind"], e["payload"]) for e in lines] == [("k", "☃ü"), ("☃", {})]
        # Words of a command line are what the locale says they are.
        aivcs.ok("run", "log", run, "k", b"a=\xfc", env=latin1)
        assert aivcs.events(run)[2]["payload"] == {"a": "ü"}


class TestStreams:
    @pytest.mark.parametrize("closed", ["0<&-", "1>&-", "2>&-", "0<&- 1>&- 2>&-"])
    def test_closed_at_start_put_no_message_into_a_log(self, aivcs, files, closed):
        run = aivcs.begin()
        spec = aivcs.put(b"a spec\n")
        aivcs.shell(
            f"aivcs run log $1 k a=1 {closed}\naivcs run log --print-seq $1 k a=2 {closed}\n"
            f"aivcs run log $1 k - {closed}\naivcs run log --stdin $1 {closed}\n"
            f"aivcs run log $1 k nonsense {closed}\n"
            f"aivcs release promote bot $2 {closed}\naivcs release rollback bot {closed}\n"
            f"aivcs nonsense {closed}\naivcs --help {closed}\naivcs blob put - {closed}\n"
            f"aivcs blob get $2 {closed}\naivcs run finish $1 {closed}\n",
            run, spec, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        kinds = [entry["type"] for entry in files.read_chain(aivcs.run_log(run))]
        assert kinds[0] == "run"
        assert kinds.count("event") == 2
        assert kinds[-1] == "end"
        assert len(files.read_chain(aivcs.release_log("bot"))) == 1
        aivcs.ok("verify")

    def test_without_standard_input_reading_it_fails(self, aivcs, unchanged):
        run = aivcs.begin()
        with unchanged:
            for command in (
                "run log $1 k -", "run log --stdin $1", "run log --stdin --atomic $1",
                "blob put -", "blob put --stdin-paths",
            ):  # fmt: skip
                done = aivcs.shell(f"aivcs {command} 0<&-", run)
                assert done.code == 16, done
                assert done.complaint

    def test_without_standard_output_printing_fails(self, aivcs):
        digest = aivcs.put(b"x")
        run = aivcs.begin()
        for command in (f"blob get {digest}", "blob ls", f"run show {run}", "status"):
            done = aivcs.shell(f"aivcs {command} 1>&-")
            assert done.code == 16, done
            assert "standard output" in done.complaint
        assert aivcs.shell(f"aivcs run log {run} k 1>&-").code == 0

    def test_a_full_output_is_no_success(self, aivcs):
        digest = aivcs.put(b"x" * 100_000)
        run = aivcs.begin()
        aivcs.ok("run", "log", run, "k")
        aivcs.ok("release", "promote", "bot", digest)
        for command in (
            ("blob", "get", digest), ("blob", "ls"), ("blob", "put", "-"), ("run", "list"),
            ("run", "show", run), ("run", "events", run), ("release", "current", "bot"),
            ("release", "history", "bot"), ("release", "list"), ("status",), ("config", "list"),
            ("--version",), ("--help",), ("run", "--help"), ("blob", "get", "--help"),
        ):  # fmt: skip
            with open("/dev/full", "wb") as full:
                done = aivcs(*command, stdout=full)
            assert done.code == 16, (command, done)
            assert "standard output" in done.complaint

    @pytest.mark.parametrize("unbuffered", [None, "1"])
    def test_an_output_that_becomes_full_is_no_success(self, aivcs, unbuffered):
        digest = aivcs.put(b"x" * 3000)
        done = aivcs.shell(
            f"ulimit -f 1; aivcs blob get {digest} >out; echo $?; wc -c <out",
            env={"PYTHONUNBUFFERED": unbuffered},
        )
        assert done.lines == ["16", "1024"], done  # bash counts in units of 1024 bytes
        assert "standard output" in done.complaint

    def test_a_reader_that_goes_away_ends_it_quietly(self, aivcs):
        run = aivcs.begin()
        lines = '{"kind":"k","payload":"%s"}\n' % ("x" * 500) * 2000
        aivcs.ok("run", "log", "--stdin", run, stdin=lines)
        digest = aivcs.put(os.urandom(2_000_000))
        for command in (
            f"run events {run}", f"run events {run} --json", f"blob get {digest}",
        ):  # fmt: skip
            done = aivcs.shell(f"aivcs {command} | head -c 10 >/dev/null; exit ${{PIPESTATUS[0]}}")
            assert (done.code, done.err) == (141, b""), (command, done)

    def test_help_whose_reader_went_away_ends_quietly(self, aivcs):
        for command in ("--help", "run log --help", "--version", "blob ls --json"):
            reader, writer = os.pipe()
            os.close(reader)
            aivcs.put(b"x")
            done = aivcs(*command.split(), stdout=writer)
            os.close(writer)
            assert (done.code, done.err) == (141, b""), (command, done)


def waiting_in(pipe):
    """How many bytes are in a pipe."""
    return int.from_bytes(fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)), sys.byteorder)


class TestPipesThatDoNotWait:
    """Agent hosts and node make what they hand down like that; it is waited for all the same."""

    def feed(self, aivcs, *command, pieces):
        """Gives a command its input in pieces, each only when the one before was read."""
        source, sink = os.pipe()
        os.set_blocking(source, False)
        process = aivcs.start(*command, stdin=source, stdout=subprocess.PIPE)
        for piece in pieces:
            os.write(sink, piece)
            end = time.monotonic() + 30
            while waiting_in(source):
                assert time.monotonic() < end
                time.sleep(0.01)
            time.sleep(0.1)
        os.close(sink)
        out, _ = process.communicate(timeout=30)
        os.close(source)
        assert process.returncode == 0
        return out.decode()

    def test_input_is_read_to_its_end(self, aivcs, files):
        run = aivcs.begin()
        for name in "ab":
            (aivcs.folder / name).write_text(name)
        self.feed(aivcs, "run", "log", run, "k", "-", pieces=[b'{"a":', b"[1,2]", b"}"])
        self.feed(aivcs, "run", "log", "--stdin", run, pieces=[b'{"kind":"l"}\n{"ki', b'nd":"m"}'])
        events = [(e["kind"], e["payload"]) for e in aivcs.events(run)]
        assert events == [("k", {"a": [1, 2]}), ("l", {}), ("m", {})]
        out = self.feed(aivcs, "blob", "put", "-", pieces=[b"x" * 5000, b"y"])
        assert out == files.sha256(b"x" * 5000 + b"y") + "\n"
        out = self.feed(aivcs, "blob", "put", "--stdin-paths", pieces=[b"a\n", b"", b"b\n"])
        assert out.split() == [files.sha256("a"), files.sha256("b")]

    @pytest.mark.parametrize("stream", ["stdout", "stderr"])
    def test_output_is_written_to_its_end(self, aivcs, stream):
        """Also the message, and the help, of which other code is the printer."""
        digest = aivcs.put(b"x" * 200_000)
        commands = {"stdout": (["blob", "get", digest], ["run", "--help"]), "stderr": (["no"],)}
        for command in commands[stream]:
            wanted = getattr(aivcs(*command), {"stdout": "out", "stderr": "err"}[stream])
            source, sink = os.pipe()
            os.set_blocking(sink, False)
            os.write(sink, bytes(65536))  # it is full before the first word
            process = aivcs.start(*command, **{stream: sink})
            time.sleep(0.5)
            os.close(sink)
            with os.fdopen(source, "rb") as pipe:
                assert pipe.read()[65536:] == wanted
            assert process.wait(30) == (2 if stream == "stderr" else 0)


class TestTerminal:
    @pytest.fixture
    def busy(self, aivcs):
        """A store in which there is something to show of everything."""
        one, two = aivcs.put(b"one"), aivcs.put(b"two")
        aivcs.ok("release", "promote", "bot", one, "--notes", "evil \x1b[31m\u202e\x9b0m text")
        aivcs.ok("release", "promote", "bot", two, "--label", "v2", "--notes", "word " * 20)
        run = aivcs.begin("a-rather-long-name-of-an-agent")
        aivcs.ok("run", "log", run, "k", "evil=\x1b[31m\u202e\x9b0m")
        aivcs.ok("run", "finish", run)
        return run

    COMMANDS = (
        ("run", "list"), ("run", "show", "@"), ("run", "events", "@"), ("release", "list"),
        ("release", "history", "bot"), ("release", "current", "bot"), ("status",),
        ("release", "show", "bot", "1"), ("config", "list"), ("blob", "ls"),
    )  # fmt: skip

    @pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
    def test_of_any_width_gets_no_control_character_of_the_data(self, terminal, busy, command):
        for columns in (40, 200):
            text = terminal(*command, columns=columns, NO_COLOR="1", AIVCS_RUN=busy)
            assert text.strip()
            assert "\x1b" not in text
            assert "\u202e" not in text
            assert "\x9b" not in text

    def test_of_40_columns_loses_nothing_that_a_wide_one_shows(self, terminal, busy):
        for command in (("release", "history", "bot"), ("release", "list")):
            texts = [terminal(*command, columns=columns, NO_COLOR="1") for columns in (40, 300)]
            assert max(map(len, texts[0].splitlines())) <= 40
            shown = [text.split() for text in texts]
            for words in shown:
                # How long ago is not what the width decides.
                words[:] = [w for w in words if not re.fullmatch(r"\d+s?|seconds?", w)]
            assert sorted(shown[0]) == sorted(shown[1])

    def test_gets_a_header_and_short_ids(self, terminal, busy):
        text = terminal("run", "list", columns=200, NO_COLOR="1")
        assert text.splitlines()[0].split()[:3] == ["RUN", "AGENT", "STATUS"]
        assert busy[:8] in text
        assert busy not in text

    def test_gets_a_history_that_says_what_is_live_and_what_became_of_the_rest(
        self, aivcs, terminal, busy
    ):
        aivcs.ok("release", "rollback", "bot", "--block", "--reason", "leaks", "--by", "A <a@b>")
        text = terminal("release", "history", "bot", columns=200, NO_COLOR="1")
        header, *rows = text.splitlines()
        assert header.split() == [
            "SEQ", "ACTION", "LABEL", "SPEC", "STATE", "AGE", "BY", "REASON",
        ]  # fmt: skip
        assert [row[:1] == "●" for row in rows] == [True, False, False, False]
        for row, words in zip(
            rows,
            (
                ["4", "rollback", "current", " A ", "leaks"],
                ["3", "block", " A ", "leaks"],
                ["2", "promote", "v2", "blocked", "word word"],
                ["1", "promote", "live again", "evil"],
            ),
            strict=True,
        ):
            for word in words:
                assert word in row
            assert re.search(r" \d+s ", row), row
        assert "a@b" not in text

    @pytest.mark.parametrize(
        ("options", "env", "colored"),
        [
            ((), {}, True),
            ((), {"NO_COLOR": "1"}, False),
            ((), {"TERM": "dumb"}, False),
            (("--color", "never"), {}, False),
            (("--color", "always"), {"NO_COLOR": "1"}, True),
            (("--color", "auto"), {"NO_COLOR": "1"}, False),
        ],
        ids=str,
    )
    def test_gets_colour_only_if_it_is_wanted(self, terminal, busy, options, env, colored):
        for command in (("run", "list"), ("release", "history", "bot"), ("run", "events", busy)):
            text = terminal(*options, *command, **env)
            assert ("\x1b[" in text) is colored, (command, text)

    def test_gets_no_colour_that_cannot_be_read_on_white_or_on_black(self, aivcs, terminal, busy):
        made = [aivcs.ok("spec", "create", "--partial", "--git-sha", sha).text for sha in "ab"]
        other = aivcs.begin(content=b"two")
        aivcs.ok("run", "log", other, "tool_called", "tool_name=search", "q=1")
        aivcs.ok("release", "rollback", "bot", "--block", "--reason", "leaks")
        used = set()
        for command in (
            ("run", "list"), ("run", "show", busy), ("run", "diff", busy, other), ("status",),
            ("spec", "show", made[0]), ("spec", "diff", *made), ("run", "stats"),
            ("release", "diff", "bot", "@1", "@2"), ("release", "history", "bot"),
            ("release", "verify", "bot"),
        ):  # fmt: skip
            for codes in re.findall(r"\x1b\[([\d;]*)m", terminal(*command, columns=100)):
                used.update(codes.split(";"))
        assert used == {"0", "1", "2", "31", "32", "35"}  # bold, dim, red, green, magenta

    def test_is_what_a_pipe_is_not(self, aivcs, busy):
        for command in self.COMMANDS:
            done = aivcs.ok(*command, env={"AIVCS_RUN": busy, "TERM": "xterm", "COLUMNS": "20"})
            assert b"\x1b" not in done.out
            if command == ("run", "list"):
                assert busy in done.text


class TestStrangers:
    @pytest.mark.skipif(not ROOT, reason="only root can give a store to another user")
    def test_a_store_of_another_user_is_refused_unless_it_is_named(self, aivcs, unchanged):
        digest = aivcs.put(b"x")
        os.chown(aivcs.store, 12345, 12345)
        with unchanged:
            for command in (("blob", "get", digest), ("blob", "put", "-"), ("status",)):
                done = aivcs(*command, code=16)
                assert "another user" in done.complaint
                assert done.out == b""
        assert aivcs.ok("--store", ".aivcs", "blob", "get", digest).out == b"x"
        env = {"AIVCS_STORE": str(aivcs.store)}
        assert aivcs.ok("blob", "get", digest, env=env).out == b"x"

    @pytest.mark.skipif(not ROOT, reason="only root can give a store to another user")
    def test_a_store_of_another_user_is_not_said_to_be_shared(self, aivcs, unchanged):
        os.chown(aivcs.store, 12345, 12345)
        with unchanged:
            assert "id 12345" in aivcs("init", "--shared", code=16).complaint
            aivcs.ok("init")

    @pytest.mark.skipif(not ROOT, reason="only root can give a store to another user")
    def test_the_user_can_say_that_it_is_safe_and_the_store_cannot(self, aivcs):
        os.chown(aivcs.store, 12345, 12345)
        (aivcs.store / "config.toml").write_text('[safe]\ndirectory = ["*"]\n')
        assert "another user" in aivcs("status", code=16).complaint
        (aivcs.store / "config.toml").unlink()
        aivcs.ok("config", "set", "--user", "safe.directory", str(aivcs.store), cwd=aivcs.home)
        aivcs.ok("status")

    @pytest.mark.skipif(
        not ROOT or shutil.which("setpriv") is None, reason="takes root and setpriv to arrange"
    )
    def test_a_store_that_is_read_only_can_be_read_and_refuses_the_rest(self, aivcs, unchanged):
        run = aivcs.begin()
        aivcs.ok("run", "log", run, "k")
        digest = aivcs.put(b"x")
        for spec in (aivcs.put(b"y"), digest):
            aivcs.ok("release", "promote", "bot", spec)
        for path in (aivcs.store, *aivcs.store.rglob("*")):
            path.chmod(0o555 if path.is_dir() else 0o444)
        capless = [
            "setpriv", "--bounding-set", "-dac_override,-dac_read_search", "--inh-caps", "-all",
        ]  # fmt: skip

        def call(*arguments):
            return subprocess.run(
                [*capless, sys.executable, "-m", "aivcs", *arguments],
                cwd=aivcs.folder, env=aivcs.environment(), input=b"new", capture_output=True,
                timeout=60, check=False,
            )  # fmt: skip

        with unchanged:
            for command in (
                ("blob", "get", digest), ("run", "show", run), ("run", "events", run),
                ("run", "list"), ("release", "current", "bot"), ("release", "history", "bot"),
                ("verify",), ("status",), ("blob", "has", digest),
            ):  # fmt: skip
                assert call(*command).returncode == 0, call(*command)
            for command in (  # type: ignore[assignment]
                ("blob", "put", "-"), ("run", "log", run, "k"), ("run", "finish", run),
                ("run", "start", "--agent", "a", "--spec", digest),
                ("release", "promote", "bot", digest), ("release", "promote", "new", digest),
                ("release", "rollback", "bot"), ("blob", "rm", "--force", digest),
                ("config", "set", "core.durability", "none"),
            ):  # fmt: skip
                done = call(*command)
                assert done.returncode == 16, (command, done)
                assert done.stderr.count(b"\n") == 1, done
                assert b"Traceback" not in done.stderr
                assert done.stdout == b""


class TestStrangeFiles:
    def test_a_store_that_is_a_link_is_refused_when_found_and_fine_when_named(self, aivcs):
        digest = aivcs.put(b"x")
        aivcs.store.rename(aivcs.folder / "real")
        aivcs.store.symlink_to("real")
        assert "symbolic link" in aivcs("blob", "get", digest, code=16).complaint
        assert aivcs.ok("--store", ".aivcs", "blob", "get", digest).out == b"x"

    def test_a_file_in_the_place_of_the_store_is_refused(self, outside):
        outside.store.write_text("mine")
        assert outside("blob", "ls", code=10).complaint
        assert outside.store.read_text() == "mine"

    def paths(self, aivcs, run, digest):
        return {
            "object": aivcs.object(digest),
            "shard": aivcs.object(digest).parent,
            "objects": aivcs.store / "objects",
            "run": aivcs.run_log(run),
            "runs": aivcs.store / "runs",
            "release": aivcs.release_log("bot"),
            "format": aivcs.store / "format",
            "config": aivcs.store / "config.toml",
        }

    def commands(self, what, run, digest):
        blob = [("blob", "get", digest), ("blob", "put", "-"), ("blob", "has", digest)]
        on_run = [("run", "show", run), ("run", "log", run, "k"), ("run", "events", run),
                  ("run", "finish", run)]  # fmt: skip
        on_release = [("release", "current", "bot"), ("release", "promote", "bot", digest),
                      ("release", "history", "bot"), ("release", "rollback", "bot")]  # fmt: skip
        return {
            "object": blob, "shard": blob, "objects": blob, "run": on_run, "runs": on_run,
            "release": on_release,
        }.get(what, [*blob[:2], *on_run[:2], *on_release[:2]])  # fmt: skip

    @pytest.mark.parametrize(
        "what", ["object", "shard", "objects", "run", "runs", "release", "format", "config"]
    )
    def test_a_link_in_the_store_is_refused(self, aivcs, what):
        digest = aivcs.put(b"content")
        run = aivcs.begin("bot", b"content")
        aivcs.ok("release", "promote", "bot", digest)
        aivcs.ok("config", "set", "core.durability", "batch")
        path = self.paths(aivcs, run, digest)[what]
        target = aivcs.folder / "elsewhere"
        path.rename(target)
        path.symlink_to(target)
        before = target.read_bytes() if target.is_file() else sorted(os.listdir(target))
        for command in self.commands(what, run, digest):
            done = aivcs(*command, stdin=b"content", code=16)
            assert "link" in done.complaint, command
            assert done.out == b""
        assert before == (target.read_bytes() if target.is_file() else sorted(os.listdir(target)))

    @pytest.mark.parametrize("what", ["object", "run", "release", "format", "config"])
    @pytest.mark.parametrize("kind", ["fifo", "folder"])
    def test_what_is_no_file_is_refused_without_waiting(self, aivcs, what, kind):
        digest = aivcs.put(b"content")
        run = aivcs.begin("bot", b"content")
        aivcs.ok("release", "promote", "bot", digest)
        aivcs.ok("config", "set", "core.durability", "batch")
        path = self.paths(aivcs, run, digest)[what]
        path.unlink()
        os.mkfifo(path) if kind == "fifo" else path.mkdir()
        for command in self.commands(what, run, digest):
            done = aivcs(*command, stdin=b"content", code=16)
            assert done.complaint
            assert done.out == b""
        if what == "release":
            assert aivcs("release", "list", code=16).complaint


def test_without_a_terminal_type_everything_works(aivcs):
    for env in ({"TERM": None}, {"TERM": ""}, {"TERM": "dumb"}):
        assert aivcs.ok("--help", env=env).out
        aivcs.ok("status", env=env)
