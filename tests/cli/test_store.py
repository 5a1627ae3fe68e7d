"""`aivcs init`, `status`, `config`, `verify`, and how a command finds its store."""

import fcntl
import json
import os
import subprocess
from contextlib import suppress

import pytest


class TestInit:
    def test_prints_the_path_of_the_new_store(self, outside):
        done = outside.ok("init")
        assert done.text == str(outside.store)
        assert done.err == b""
        assert (outside.store / "format").read_bytes() == b"1\n"

    def test_makes_the_folder_it_is_told(self, outside):
        assert outside.ok("init", "a/b").text == str(outside.folder / "a" / "b" / ".aivcs")
        assert outside.ok("-C", "a", "init").text == str(outside.folder / "a" / ".aivcs")

    def test_is_harmless_again(self, aivcs, unchanged):
        aivcs.begin()
        with unchanged:
            assert aivcs.ok("init").text == str(aivcs.store)

    def test_completes_a_store_that_was_left_half_made(self, aivcs):
        digest = aivcs.put(b"x")
        (aivcs.store / "format").unlink()
        (aivcs.store / "tmp").rmdir()
        assert aivcs("status").code == 10
        aivcs.ok("init")
        assert aivcs.ok("blob", "get", digest).out == b"x"

    def test_keeps_a_store_out_of_git(self, aivcs):
        done = aivcs.shell("git init -q . && aivcs blob put - <<< x >/dev/null && git status -s")
        assert (done.code, done.out) == (0, b"")
        assert (aivcs.store / ".gitattributes").read_text() == "* -text\n* -merge\n"

    def test_lets_no_merge_of_git_write_into_a_log(self, aivcs):
        (aivcs.store / ".gitattributes").write_text("* -text")  # as older versions wrote it
        aivcs.ok("init")
        aivcs.ok("init")
        assert (aivcs.store / ".gitattributes").read_text() == "* -text\n* -merge\n"
        aivcs.ok("release", "promote", "bot", aivcs.put(b"base"))
        git = "git -c user.name=a -c user.email=a@b"
        done = aivcs.shell(
            f'''set -e; git init -q -b main .; git add -f .aivcs; {git} commit -qm base
            git checkout -qb other; aivcs release promote bot "$1"; git add -f .aivcs
            {git} commit -qm other; git checkout -q main; aivcs release promote bot "$2"
            git add -f .aivcs; {git} commit -qm ours; ! {git} merge other''',
            aivcs.put(b"theirs"), aivcs.put(b"ours"),
        )  # fmt: skip
        assert done.code == 0
        assert b"CONFLICT" in done.out
        aivcs.ok("release", "verify")
        assert len(aivcs.ok("release", "history", "bot").lines) == 2

    def test_leaves_what_somebody_wrote_into_its_attributes(self, aivcs):
        path = aivcs.store / ".gitattributes"
        path.write_text("* -text\n* -merge\n*.jsonl filter=crypt\n")
        before = path.read_bytes()
        aivcs.ok("init")
        assert path.read_bytes() == before

    @pytest.mark.parametrize("place", [".", "objects", "runs/ab", "new"])
    def test_is_not_made_inside_of_a_store(self, aivcs, unchanged, place):
        with unchanged:
            done = aivcs("init", f".aivcs/{place}", code=2)
            assert done.complaint == (
                f"{aivcs.store} is a store, and no store can be inside of one; "
                f"give the folder that is to have one: aivcs init {aivcs.folder}"
            )

    def test_may_be_made_beside_what_only_looks_like_one(self, outside):
        (outside.folder / "objects").mkdir()
        (outside.folder / "format").mkdir()
        outside.ok("init", "below")

    @pytest.mark.parametrize(
        ("umask", "options", "folders", "files"),
        [
            (0o000, [], 0o775, 0o664),  # but never is everybody to write
            (0o002, [], 0o775, 0o664),
            (0o022, [], 0o755, 0o644),
            (0o027, [], 0o750, 0o640),
            (0o077, [], 0o700, 0o600),
            (0o277, [], 0o700, 0o600),
            (0o000, ["--private"], 0o700, 0o600),
            (0o077, ["--shared"], 0o2775, 0o664),
        ],
    )
    def test_keeps_the_modes_that_the_umask_gave_at_first(
        self, outside, umask, options, folders, files
    ):
        outside.ok("init", *options, preexec_fn=lambda: os.umask(umask))
        other = {"preexec_fn": lambda: os.umask(0o077)}
        spec = outside.ok("blob", "put", "-", stdin="x", preexec_fn=lambda: os.umask(0)).text
        outside.ok("run", "start", "--agent", "a", "--spec", spec, **other)
        outside.ok("release", "promote", "a/b", spec, **other)
        outside.ok("init", **other)
        for path in (outside.store, *outside.store.rglob("*")):
            expected = folders if path.is_dir() else files
            assert path.stat().st_mode & 0o7777 == expected, path

    def test_becomes_private_when_that_is_asked_for_later(self, aivcs):
        aivcs.put(b"x")
        aivcs.ok("init", "--private")
        aivcs.put(b"y")
        for path in (aivcs.store, *aivcs.store.rglob("*")):
            expected = 0o700 if path.is_dir() else 0o600
            assert path.stat().st_mode & 0o7777 == expected, path
        assert "not both" in aivcs("init", "--private", "--shared", code=2).complaint

    @pytest.mark.parametrize("umask", [0o000, 0o077])
    def test_lets_the_group_write_when_it_is_shared(self, outside, umask):
        def narrow():
            os.umask(umask)

        outside.ok("init", "--shared", preexec_fn=narrow)
        spec = outside.ok("blob", "put", "-", stdin="x", preexec_fn=narrow).text
        outside.ok("run", "start", "--agent", "a", "--spec", spec, preexec_fn=narrow)
        outside.ok("release", "promote", "a/b", spec, preexec_fn=narrow)
        for path in (outside.store, *outside.store.rglob("*")):
            expected = 0o2775 if path.is_dir() else 0o664
            assert path.stat().st_mode & 0o7777 == expected, path

    def test_gives_the_modes_that_a_killed_process_did_not_come_to_give(self, outside):
        outside.ok("init", "--shared")
        spec = outside.put(b"x")
        outside.ok("release", "promote", "a/b", spec)
        outside.object(spec).parent.chmod(0o755)
        outside.release_log("a/b").chmod(0o600)
        outside.ok("init")
        for path in (outside.store, *outside.store.rglob("*")):
            expected = 0o2775 if path.is_dir() else 0o664
            assert path.stat().st_mode & 0o7777 == expected, path

    @pytest.mark.parametrize(
        ("arguments", "code"), [(("",), 2), (("file",), 16), (("file/x",), 16), (("a", "b"), 2)]
    )
    def test_refuses_what_is_no_folder(self, outside, arguments, code):
        (outside.folder / "file").write_text("x")
        assert outside("init", *arguments, code=code).complaint
        assert os.listdir(outside.folder) == ["file"]

    def test_refuses_a_file_in_the_place_of_the_store(self, outside):
        outside.store.write_text("mine")
        assert outside("init", code=16).complaint
        assert outside.store.read_text() == "mine"

    def test_refuses_a_store_of_a_later_format(self, aivcs, unchanged):
        (aivcs.store / "format").write_text("2\n")
        with unchanged:
            for command in (("init",), ("status",), ("blob", "put", "-")):
                assert "newer aivcs" in aivcs(*command, code=16).complaint

    @pytest.mark.parametrize("found", [b"", b"\n", b"\0\0", b"one\n", b"-1\n", b"\xff"])
    def test_says_that_a_format_that_is_none_is_damaged_and_how_to_mend_it(self, aivcs, found):
        digest = aivcs.put(b"content")
        (aivcs.store / "format").write_bytes(found)
        for command in (("init",), ("status",), ("blob", "put", "-")):
            done = aivcs(*command, code=14)
            assert "format is damaged" in done.complaint
            assert "write the line 1 into the file" in done.complaint
        (aivcs.store / "format").write_text("1\n")
        assert aivcs.ok("blob", "get", digest).out == b"content"
        aivcs.ok("verify")


class TestDiscovery:
    def test_walks_up_to_the_nearest_store(self, aivcs):
        digest = aivcs.put(b"outer")
        deep = aivcs.folder / "a" / "b"
        deep.mkdir(parents=True)
        aivcs.ok("blob", "has", digest, cwd=deep)
        aivcs.ok("init", "a")
        aivcs("blob", "has", digest, cwd=deep, code=1)
        aivcs.ok("blob", "has", digest)

    def test_exits_10_where_there_is_none(self, outside):
        for command in (
            ("status",), ("blob", "put", "-"), ("run", "list"), ("release", "list"), ("verify",),
        ):  # fmt: skip
            done = outside(*command, code=10)
            assert "aivcs init" in done.complaint
            assert done.out == b""
        assert os.listdir(outside.folder) == []

    def test_a_flag_outdoes_the_environment_which_outdoes_the_folder(self, aivcs):
        here = aivcs.put(b"here")
        there, elsewhere = aivcs.folder / "there", aivcs.folder / "elsewhere"
        stores = {}
        for folder in (there, elsewhere):
            aivcs.ok("init", str(folder))
            stores[folder] = aivcs.ok("blob", "put", "-", cwd=folder, stdin=folder.name).text
        env = {"AIVCS_STORE": str(there / ".aivcs")}
        assert aivcs.ok("blob", "ls").text == here
        assert aivcs.ok("blob", "ls", env=env).text == stores[there]
        found = aivcs.ok("--store", "elsewhere/.aivcs", "blob", "ls", env=env).text
        assert found == stores[elsewhere]
        assert aivcs.ok("-C", "there", "blob", "ls").text == stores[there]
        assert (
            aivcs.ok("-C", "there", "--store", "../elsewhere/.aivcs", "blob", "ls").text
            == (stores[elsewhere])
        )
        url = f"file://{there}/.aivcs"
        assert aivcs.ok("--store", url, "blob", "ls").text == stores[there]

    @pytest.mark.parametrize(
        ("options", "code"),
        [
            (("--store", ""), 2),
            (("--store", "."), 10),
            (("--store", "absent"), 10),
            (("--store", "file"), 10),
            (("--store", "ftp://host/x"), 2),
            (("-C", ""), 2),
            (("-C", "absent"), 2),
            (("-C", "file"), 2),
        ],
        ids=str,
    )
    def test_refuses_what_is_no_store(self, aivcs, options, code):
        (aivcs.folder / "file").write_text("x")
        done = aivcs(*options, "blob", "ls", code=code)
        assert done.complaint
        done = aivcs(*options, "blob", "ls", "--json", code=code)
        assert json.loads(done.err)["exit_code"] == code


class TestStatus:
    def test_counts_what_there_is(self, aivcs):
        spec = aivcs.put(b"a spec\n")
        for status in ("completed", "failed", "failed"):
            aivcs.ok("run", "finish", aivcs.begin(), "--status", status)
        aivcs.begin()
        aivcs.ok("release", "promote", "bot", spec)
        shown = dict(line.split("\t", 1) for line in aivcs.ok("status").lines)
        assert shown["store"] == str(aivcs.store)
        assert shown["durability"] == "full"
        assert shown["blobs"] == "1"
        assert shown["runs"].startswith("4 ")
        assert "2 failed" in shown["runs"]
        assert shown["releases"] == "1"
        found = aivcs.ok("status", "--json").json
        assert found["runs"] == {"RUNNING": 1, "COMPLETED": 1, "FAILED": 2, "CANCELLED": 0}
        assert (found["store"], found["blobs"]) == (str(aivcs.store), 1)
        assert [record["spec_digest"] for record in found["releases"]] == [spec]

    def test_says_that_an_erasure_needs_no_signature_where_releases_have_one(self, aivcs):
        def erasers():
            return [line for line in aivcs.ok("status").lines if line.startswith("erasers\t")]

        (aivcs.home / "who").write_text("")
        assert not erasers()
        aivcs.ok("config", "set", "--user", "signing.allowed_signers", str(aivcs.home / "who"))
        (line,) = erasers()
        assert line.endswith("aivcs config set --user signing.allowed_erasers FILE")
        aivcs.ok("config", "set", "--user", "signing.allowed_erasers", str(aivcs.home / "who"))
        assert not erasers()

    def test_says_that_runs_are_damaged(self, aivcs):
        aivcs.run_log(aivcs.begin()).write_bytes(b"garbage\n")
        assert "damaged\t1 " in aivcs("status", code=14).text


class TestVerify:
    def test_finds_nothing_in_a_sound_store(self, aivcs):
        run = aivcs.begin()
        aivcs.ok("run", "log", run, "k")
        aivcs.ok("release", "promote", "bot", aivcs.put(b"a spec\n"))
        for command in (("verify",), ("blob", "verify"), ("run", "verify"), ("release", "verify")):
            done = aivcs.ok(*command)
            assert done.out == b""
            assert aivcs.ok(*command, "--json").out == b""

    def test_names_what_is_damaged_and_exits_14(self, aivcs):
        run = aivcs.begin()
        aivcs.ok("run", "log", run, "k")
        digest = aivcs.put(b"a spec\n")
        aivcs.ok("release", "promote", "bot", digest)
        places = {
            "blob": (aivcs.object(digest), digest[2:]),
            "run": (aivcs.run_log(run), run),
            "release": (aivcs.release_log("bot"), "bot.jsonl"),
        }
        for noun, (path, mention) in places.items():
            before = path.read_bytes()
            at = len(before) // 3
            path.write_bytes(before[:at] + bytes([before[at] ^ 1]) + before[at + 1 :])
            for command in (("verify",), (noun, "verify")):
                (line,) = aivcs(*command, code=14).lines
                assert line.startswith("damage\t")
                assert mention in line
                (finding,) = aivcs(*command, "--json", code=14).json_lines
                assert mention in finding["where"]
            for other in places.keys() - {noun}:
                aivcs.ok(other, "verify")
            path.write_bytes(before)
        aivcs.ok("verify")

    def test_changes_nothing(self, aivcs, unchanged):
        run = aivcs.begin()
        log = aivcs.run_log(run)
        log.write_bytes(log.read_bytes() + b'{"type":"event","torn')
        with unchanged:
            aivcs("verify")


class TestConfig:
    def test_gives_defaults(self, aivcs):
        assert aivcs.ok("config", "get", "core.durability").text == "full"
        assert aivcs.ok("config", "get", "core.lock_timeout", "--json").json == 30
        assert dict(line.split("\t") for line in aivcs.ok("config", "list").lines) == {
            "core.durability": "full",
            "core.lock_timeout": "30",
            "core.spool": "false",
            "limits.event_bytes": "1048576",
            "run.lost_after": "86400",
            "search.index": "auto",
            "exec.redact": "-",
            "import.redact": "-",
            "blobs": "-",
            "remote.timeout": "60",
            "remote.tls": "verify-full",
            "remote.password_command": "-",
            "safe.directory": "-",
            "signing.key": "-",
            "signing.allowed_signers": "-",
            "signing.allowed_erasers": "-",
            "retention.older_than": "-",
            "retention.keep_last": "0",
            "retention.agents": "-",
            "retention.statuses": "-",
            "retention.tags": "-",
            "pull.apply_erasures": "-",
        }

    def test_works_outside_a_store_for_the_users_own(self, outside):
        outside.ok("config", "set", "--user", "core.lock_timeout", "5")
        assert outside.ok("config", "get", "core.lock_timeout").text == "5"
        assert outside("config", "set", "core.lock_timeout", "5", code=10).complaint

    @pytest.mark.parametrize("user", [False, True], ids=["store", "user"])
    def test_two_who_set_at_once_lose_nothing(self, aivcs, user):
        path = aivcs.home / ".config/aivcs/config.toml" if user else aivcs.store / "config.toml"
        path.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(path.parent, os.O_RDONLY)
        fcntl.flock(fd, fcntl.LOCK_EX)  # as somebody who is editing has it
        process = aivcs.start("config", "set", *(["--user"] if user else []), "exec.redact", "B")
        try:
            with suppress(subprocess.TimeoutExpired):
                process.wait(0.3)
            path.write_text('[exec]\nredact = ["A"]\n')
        finally:
            os.close(fd)
        assert process.wait(60) == 0
        assert aivcs.ok("config", "get", "exec.redact").text == "A B"

    def test_waits_for_somebody_who_edits_no_longer_than_it_may(self, aivcs, unchanged):
        fd = os.open(aivcs.store, os.O_RDONLY)
        fcntl.flock(fd, fcntl.LOCK_EX)
        try:
            with unchanged:
                set_ = ("config", "set", "exec.redact", "B")
                assert "config.toml" in aivcs("--lock-timeout", "0.01", *set_, code=11).complaint
        finally:
            os.close(fd)

    @pytest.mark.parametrize(
        ("mark", "encoding"),
        [(b"\xef\xbb\xbf", "UTF-8"), (b"\xff\xfe", "UTF-16"), (b"\xfe\xff", "UTF-16")],
    )
    def test_a_byte_order_mark_is_named(self, aivcs, mark, encoding):
        (aivcs.store / "config.toml").write_bytes(mark + b"[core]\n")
        complaint = aivcs("config", "list", code=2).complaint
        assert f"byte order mark of {encoding}; save it as UTF-8" in complaint

    def test_the_nearer_place_outdoes_the_farther(self, aivcs):
        get = ("config", "get", "core.lock_timeout")
        aivcs.ok("config", "set", "--user", "core.lock_timeout", "1")
        assert aivcs.ok(*get).text == "1"
        aivcs.ok("config", "set", "core.lock_timeout", "2.5")
        assert aivcs.ok(*get).text == "2.5"
        env = {"AIVCS_LOCK_TIMEOUT": "3"}
        assert aivcs.ok(*get, env=env).text == "3"
        assert aivcs.ok("--lock-timeout", "4", *get, env=env).text == "4"
        origins = {
            entry["key"]: entry["origin"]
            for entry in aivcs.ok("config", "list", "--show-origin", "--json").json_lines
        }
        assert origins["core.lock_timeout"] == str(aivcs.store / "config.toml")
        assert origins["core.durability"] == "default"
        aivcs.ok("config", "unset", "core.lock_timeout")
        assert aivcs.ok(*get).text == "1"
        aivcs.ok("config", "unset", "--user", "core.lock_timeout")
        assert aivcs.ok(*get).text == "30"
        assert not (aivcs.store / "config.toml").exists()

    @pytest.mark.parametrize("durability", ["full", "batch", "none"])
    def test_stores_with_every_durability(self, aivcs, files, durability):
        aivcs.ok("config", "set", "core.durability", durability)
        run = aivcs.begin()
        aivcs.ok("run", "log", run, "k")
        aivcs.ok("run", "finish", run)
        assert len(files.read_chain(aivcs.run_log(run))) == 3

    @pytest.mark.parametrize(
        ("key", "value"),
        [
            ("core.durability", "fast"),
            ("core.durability", ""),
            ("core.lock_timeout", "-1"),
            ("core.lock_timeout", "nan"),
            ("core.lock_timeout", "soon"),
            ("limits.event_bytes", "1"),
            ("limits.event_bytes", "1.5"),
            ("core.durabilty", "full"),
            ("", "full"),
            ("safe.directory", "/x"),
        ],
    )
    def test_refuses_what_is_no_setting(self, aivcs, unchanged, key, value):
        with unchanged:
            assert aivcs("config", "set", "--", key, value, code=2).complaint

    def test_names_the_key_that_was_meant(self, aivcs):
        assert "core.durability" in aivcs("config", "get", "core.durabilty", code=2).complaint

    @pytest.mark.parametrize(
        "text",
        [
            b"[core",
            b"\xff",
            b"[core]\ndurability = 5\n",
            b'[core]\ndurability = "fast"\n',
            b'[core]\nlock_timeout = "30"\n',
            b"[core]\nlock_timeout = nan\n",
            b"[core]\nlock_timeout = true\n",
            b"[limits]\nevent_bytes = 5\n",
            b'[safe]\ndirectory = ["*"]\n',
            b"a = " + b"[" * 5000 + b"]" * 5000 + b"\n",
        ],
        ids=lambda text: repr(text[:30]),
    )
    def test_a_broken_file_is_named_and_stops_everything(self, aivcs, unchanged, text):
        digest = aivcs.put(b"x")
        (aivcs.store / "config.toml").write_bytes(text)
        with unchanged:
            for command in (("blob", "get", digest), ("blob", "put", "-"), ("status",)):
                done = aivcs(*command, code=2)
                assert "config.toml" in done.complaint
                assert done.out == b""

    def test_ignores_keys_of_later_versions(self, aivcs):
        (aivcs.store / "config.toml").write_text("[core]\nfuture = 1\n[other]\nx = [1]\n")
        assert aivcs.put(b"x")
        aivcs.ok("config", "set", "core.durability", "batch")
        assert "future = 1" in (aivcs.store / "config.toml").read_text()

    def test_warns_of_keys_that_mean_nothing_and_goes_on(self, aivcs):
        (aivcs.store / "config.toml").write_text('[core]\ndurabilty = "batch"\n[a]\nb = 1\n')
        done = aivcs("blob", "put", "-", stdin=b"x", code=0)
        first, second = done.err.decode().splitlines()
        assert "warning" in first
        assert "core.durabilty" in first
        assert "core.durability" in first
        assert "a.b" in second
        assert aivcs.ok("config", "get", "core.durability").text == "full"


class TestLocks:
    @pytest.fixture
    def held(self, aivcs):
        """A run and a release whose logs another process has locked."""
        run = aivcs.begin()
        for content in (b"an older spec\n", b"a spec\n"):
            aivcs.ok("release", "promote", "bot", aivcs.put(content))
        logs = [aivcs.run_log(run).open("rb"), aivcs.release_log("bot").open("rb")]
        for log in logs:
            fcntl.flock(log, fcntl.LOCK_EX)
        yield run
        for log in logs:
            log.close()

    @pytest.mark.parametrize(
        ("options", "env"),
        [
            (("--lock-timeout", "0"), {}),
            (("--lock-timeout", "0.05"), {}),
            ((), {"AIVCS_LOCK_TIMEOUT": "0.05"}),
            (("--lock-timeout", "0.05"), {"AIVCS_LOCK_TIMEOUT": "600"}),
        ],
        ids=str,
    )
    def test_end_waiting_with_11_and_nothing_done(self, aivcs, held, unchanged, options, env):
        spec = aivcs.put(b"a spec\n")
        with unchanged:
            for command in (
                ("run", "log", held, "k"),
                ("run", "finish", held),
                ("release", "promote", "bot", spec),
                ("release", "rollback", "bot"),
            ):
                done = aivcs(*options, *command, env=env, code=11)
                assert "--lock-timeout" in done.complaint
                assert done.out == b""

    def test_end_waiting_as_the_store_is_configured(self, aivcs, held):
        aivcs.ok("config", "set", "core.lock_timeout", "0.05")
        assert aivcs("run", "log", held, "k", code=11).complaint

    def test_do_not_keep_anybody_from_reading(self, aivcs, held):
        for command in (
            ("run", "show", held), ("run", "events", held), ("run", "list"), ("status",),
            ("release", "current", "bot"), ("release", "history", "bot"), ("verify",),
        ):  # fmt: skip
            aivcs.ok("--lock-timeout", "0", *command)

    @pytest.mark.parametrize("text", ["x", "-1", "nan", "1e9", ""])
    def test_refuse_a_time_limit_that_is_none(self, aivcs, held, text):
        if text:  # an empty variable is an unset one
            assert aivcs("run", "show", held, env={"AIVCS_LOCK_TIMEOUT": text}, code=2).complaint
        assert aivcs(f"--lock-timeout={text}", "run", "show", held, code=2).complaint
