"""What surrounds a store: links, owners, modes, devices, file systems. What is wrong is refused."""

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from aivcs.api import Repository
from aivcs.backends.fs import filesystem
from aivcs.backends.fs.filesystem import type_of
from aivcs.cli.session.context import Context

MOUNTS = r"""
22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw,discard
30 27 0:30 / /home rw - nfs4 server:/home rw,vers=4.2
31 30 0:31 / /home/me/local rw master:2 propagate_from:1 - xfs /dev/vdb rw
32 27 0:32 / /with\040space\134and\011tab rw - 9p share rw
33 27 0:33 / /mnt rw - ext4 /dev/vdc rw
34 33 0:34 / /mnt rw - fuse.sshfs me@server: rw
not a line of it
35 27
"""
PLACES = {
    "/": "ext4",
    "/etc": "ext4",
    "/homeless": "ext4",
    "/home": "nfs4",
    "/home/me": "nfs4",
    "/home/me/local": "xfs",
    "/home/me/local/a/.aivcs": "xfs",
    "/home/me/locally": "nfs4",
    "/with space\\and\ttab/x": "9p",
    "/mnt/x": "fuse.sshfs",
    "/proc/self": "proc",
}


@pytest.mark.parametrize(("path", "kind"), PLACES.items())
def test_the_type_of_a_file_system_is_that_of_the_nearest_mount(path, kind):
    assert type_of(MOUNTS, path) == kind


def test_a_mount_below_a_later_one_is_hidden():
    mounts = (
        "27 1 254:0 / / rw - ext4 /dev/vda rw\n"
        "50 27 7:0 / /disk/a rw - ext4 /dev/loop0 rw\n"
        "51 27 0:44 / /disk rw - nfs4 server:/disk rw\n"
        "52 51 0:45 / /disk/b rw - xfs /dev/vdb rw\n"
    )
    assert type_of(mounts, "/disk/a/project") == "nfs4"
    assert type_of(mounts, "/disk/b/project") == "xfs"


def test_the_type_of_a_file_system_may_be_unknown():
    assert type_of("", "/x") is None


class TestInit:
    @pytest.mark.parametrize(
        "kind", ["nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs", "ceph", "glusterfs", "lustre"]
    )
    def test_has_a_doubt_about_a_network_file_system(self, aivcs, monkeypatch, kind):
        monkeypatch.setattr(filesystem, "find_type", lambda path: kind)
        (doubt,) = Repository.open(str(aivcs.store)).store.doubts()
        assert kind in doubt
        assert str(aivcs.store) in doubt

    @pytest.mark.parametrize("kind", ["ext4", "xfs", "btrfs", "tmpfs", "overlay", "zfs", None])
    def test_has_none_about_another(self, aivcs, monkeypatch, kind):
        monkeypatch.setattr(filesystem, "find_type", lambda path: kind)
        assert list(Repository.open(str(aivcs.store)).store.doubts()) == []

    def test_says_its_doubt_on_standard_error_and_goes_on(self, outside):
        script = (
            "import sys; from aivcs.backends.fs import filesystem\n"
            "filesystem.find_type = lambda path: 'nfs4'\n"
            "from aivcs.cli.main import main; sys.exit(main(['init']))"
        )
        done = subprocess.run(
            [sys.executable, "-c", script],
            cwd=outside.folder, env=outside.environment(), capture_output=True, check=False,
        )  # fmt: skip
        assert (done.returncode, done.stdout) == (0, f"{outside.store}\n".encode())
        assert done.stderr.startswith(b"aivcs: warning: ")
        assert b"network file system (nfs4)" in done.stderr
        assert done.stderr.count(b"\n") == 1

    @pytest.mark.parametrize(
        ("injected", "says"),
        [
            ("error=ENOLCK", "has no locks"),
            ("error=ENOSYS", "has no locks"),
            ("error=EOPNOTSUPP:when=2", "has no locks"),
            ("retval=0", "gives one lock (flock) to two at once"),
        ],
    )
    def test_makes_no_store_where_locks_do_not_exclude(self, outside, injected, says):
        if shutil.which("strace") is None:
            pytest.skip("there is no strace to take the locks away with")
        done = subprocess.run(
            ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=flock",
             "-e", f"inject=flock:{injected}", sys.executable, "-m", "aivcs", "init"],
            cwd=outside.folder, env=outside.environment(), capture_output=True, check=False,
        )  # fmt: skip
        assert (done.returncode, done.stdout) == (16, b"")
        assert says in done.stderr.decode()
        assert list(outside.folder.iterdir()) == []
        outside.ok("init")

    def test_is_harmless_where_a_store_can_only_be_read(self, aivcs):
        script = (
            'mount --bind "$1" "$1" && mount -o remount,ro,bind "$1" && cd "$1" && '
            'exec "$2" -m aivcs init'
        )
        command = ["unshare", "-m", "sh", "-c", script, "-", str(aivcs.folder), sys.executable]
        if os.geteuid() != 0 or shutil.which("unshare") is None:
            pytest.skip("only root can make a folder read-only for itself")
        done = subprocess.run(command, env=aivcs.environment(), capture_output=True, check=False)
        if b"mount" in done.stderr:
            pytest.skip("nothing can be mounted here")
        assert (done.returncode, done.stdout) == (0, f"{aivcs.store}\n".encode()), done.stderr

    def test_leaves_nothing_behind_when_it_tries_the_locks(self, aivcs):
        aivcs.ok("init")
        assert list((aivcs.store / "tmp").iterdir()) == []


START = "run start --agent a --spec SPEC"
COMMANDS = {
    "objects": ["blob put -", "blob get SPEC", "blob has SPEC", "blob ls", START],
    "objects/SHARD": ["blob put -", "blob get SPEC", "blob has SPEC", START],
    "runs": [START, "run log RUN k", "run show RUN", "run list", "run reap"],
    "runs/RUNSHARD": ["run log RUN k", "run finish RUN", "run show RUN", "run events RUN"],
    "runs/RUNSHARD/RUN.jsonl": ["run log RUN k", "run finish RUN", "run show RUN", "run reap RUN"],
    "releases": ["release promote bot SPEC", "release current bot", "release list"],
    "releases/bot.jsonl": ["release promote bot SPEC", "release rollback bot"],
    "tmp": ["blob put PATH"],
    "format": ["blob put -", "run list", "verify", "init"],
    "config.toml": ["blob put -", "config list"],
}
"""Parts of a store, and commands that need them."""


@pytest.fixture
def linked(aivcs, tmp_path):
    """Puts a part of the store elsewhere, and a link in its place."""
    spec = aivcs.put(b"new\n")
    run = aivcs.begin()
    aivcs.ok("release", "promote", "bot", spec)
    aivcs.ok("config", "set", "core.lock_timeout", "5")
    (tmp_path / "file").write_text("newer")
    words = {
        "PATH": str(tmp_path / "file"),
        "RUNSHARD": run[:2],
        "SHARD": spec[:2],
        "RUN": run,
        "SPEC": spec,
    }

    def fill(text):
        for word, value in words.items():
            text = text.replace(word, value)
        return text

    def link(part):
        path, elsewhere = aivcs.store / fill(part), tmp_path / "elsewhere"
        path.rename(elsewhere)
        path.symlink_to(elsewhere)
        return elsewhere

    link.fill = fill  # type: ignore[attr-defined]
    return link


def content(files, path):
    return files.snapshot(path) if path.is_dir() else path.read_bytes()


class TestLinks:
    @pytest.mark.parametrize(
        ("part", "command"), [(part, each) for part, all_ in COMMANDS.items() for each in all_]
    )
    def test_in_place_of_a_part_are_refused(self, aivcs, files, linked, part, command):
        elsewhere = linked(part)
        before = content(files, elsewhere)
        done = aivcs(*linked.fill(command).split(), stdin=b"new\n", code=16)
        assert "is a symbolic link" in done.complaint
        assert content(files, elsewhere) == before

    @pytest.mark.parametrize("part", ["objects", "runs", "releases", "tmp", "pins", "damaged"])
    def test_are_found_by_verify_and_left_by_repair(self, aivcs, linked, part):
        linked(part)
        for options in ((), ("--repair",)):
            done = aivcs("verify", *options, code=14)
            assert any("symbolic link" in line for line in done.lines)
        assert (aivcs.store / part).is_symlink()

    def test_in_place_of_the_store_are_not_followed(self, aivcs, tmp_path):
        aivcs.store.rename(tmp_path / "elsewhere")
        aivcs.store.symlink_to(tmp_path / "elsewhere")
        assert "is a symbolic link" in aivcs("blob", "ls", code=16).complaint
        assert "is a symbolic link" in aivcs("init", code=16).complaint

    def test_are_not_written_through_by_who_keeps_a_torn_end(self, aivcs, linked):
        run = aivcs.begin()
        elsewhere = linked("damaged")
        log = aivcs.run_log(run)
        log.write_bytes(log.read_bytes() + b'{"torn')
        aivcs("run", "log", run, "k", code=16)
        assert list(elsewhere.iterdir()) == []
        assert log.read_bytes().endswith(b'{"torn')


class TestDevices:
    @pytest.mark.parametrize("kind", ["fifo", "folder", "socket"])
    def test_in_place_of_files_are_refused_without_waiting(self, aivcs, kind):
        spec = aivcs.put(b"a spec\n")
        run = aivcs.begin()
        aivcs.ok("release", "promote", "bot", spec)
        commands = {
            aivcs.object(spec): ["blob", "get", spec],
            aivcs.run_log(run): ["run", "log", run, "k"],
            aivcs.release_log("bot"): ["release", "current", "bot"],
        }
        for path, command in commands.items():
            path.unlink()
            if kind == "fifo":
                os.mkfifo(path)
            elif kind == "folder":
                path.mkdir()
            else:
                os.mknod(path, stat.S_IFSOCK | 0o644)
            aivcs(*command, code=16)
        found = aivcs("verify", code=14).lines
        assert [line.split("\t")[0] for line in found] == ["damage"] * 3
        for path in commands:
            assert not path.is_file()


class TestOwners:
    @pytest.fixture
    def foreign(self, aivcs):
        if os.geteuid() != 0:
            pytest.skip("only root can give a store away")
        os.chown(aivcs.store, 12345, -1)
        return aivcs

    def test_a_store_of_another_user_is_not_used_when_it_is_found(self, foreign, unchanged):
        with unchanged:
            for command in (
                ["blob", "put", "-"],
                ["run", "list"],
                ["verify", "--repair"],
                ["run", "reap"],
            ):
                done = foreign(*command, code=16)
                assert "belongs to another user (id 12345)" in done.complaint

    @pytest.mark.parametrize(
        ("caller", "code"),
        [("12345", 0), ("54321", 16), ("0", 16), ("", 16), ("x", 16), ("-12345", 16)],
    )
    def test_under_sudo_it_may_be_that_of_the_caller(self, foreign, caller, code):
        foreign("blob", "ls", env={"SUDO_UID": caller}, code=code)

    def test_sudo_gives_no_user_but_root_what_is_anothers(self, monkeypatch):
        monkeypatch.setattr(os, "geteuid", lambda: 54321)
        monkeypatch.setenv("SUDO_UID", "12345")
        assert not Context()._is_own(12345)
        assert Context()._is_own(54321)

    def test_verify_names_what_they_cannot_write_themselves(self, aivcs):
        if os.geteuid() != 0:
            pytest.skip("only root can give a store away")
        run = aivcs.begin()
        for path in [aivcs.store, *aivcs.store.rglob("*")]:
            os.chown(path, 12345, 12345)
        aivcs.ok("verify", env={"SUDO_UID": "12345"})
        late = aivcs.ok("blob", "put", "-", stdin=b"late", env={"SUDO_UID": "12345"}).text
        named = {"env": {"AIVCS_STORE": str(aivcs.store)}}
        found = aivcs.ok("verify", "--json", **named).json_lines
        assert f"objects/{late[:2]}/{late[2:]}" in [finding["where"] for finding in found]
        assert {finding["severity"] for finding in found} == {"notice"}
        assert all(
            f"sudo chown -R 12345:12345 {aivcs.store}" in finding["remedy"] for finding in found
        )
        for number in range(20):
            (aivcs.store / "objects" / late[:2] / f"{number:062x}").write_bytes(b"")
        assert any("more that the owner" in line for line in aivcs("verify", **named).lines)
        for path in aivcs.store.rglob("*"):
            os.chown(path, 12345, 12345)
        os.chown(aivcs.run_log(run), 0, 0)
        aivcs.run_log(run).chmod(0o666)
        lines = aivcs.ok("run", "verify", **named).lines
        assert not any("user 0" in line for line in lines)

    def test_naming_it_is_consent(self, foreign):
        foreign.ok("--store", str(foreign.store), "blob", "ls")
        foreign.ok("blob", "ls", env={"AIVCS_STORE": str(foreign.store)})

    def test_so_is_the_users_own_configuration(self, foreign):
        foreign.ok("config", "set", "--user", "safe.directory", str(foreign.store), cwd="/")
        foreign.ok("blob", "ls")

    def test_its_own_configuration_is_none(self, foreign):
        (foreign.store / "config.toml").write_text(f'[safe]\ndirectory = ["{foreign.store}"]\n')
        foreign("blob", "ls", code=16)
        assert (
            "only your own"
            in foreign("--store", str(foreign.store), "blob", "ls", code=2).complaint
        )


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
@pytest.mark.parametrize("shared", [False, True])
def test_modes_are_as_the_format_says_for_whatever_is_made(outside, umask, shared):
    def masked():
        os.umask(umask)

    options = ["--shared"] if shared else []
    modes = {0o000: (0o775, 0o664), 0o022: (0o755, 0o644), 0o077: (0o700, 0o600)}[umask]
    outside.ok("init", *options, preexec_fn=masked)
    spec = outside.ok("blob", "put", "-", stdin=b"x", preexec_fn=masked).text
    run = outside.ok("run", "start", "--agent", "a", "--spec", spec, preexec_fn=masked).text
    outside.ok("release", "promote", "team/bot", spec, preexec_fn=masked)
    outside.ok("config", "set", "core.lock_timeout", "5", preexec_fn=masked)
    with outside.run_log(run).open("ab") as log:
        log.write(b"{")
    outside.object(spec).write_bytes(b"damaged")
    outside.ok("verify", "--repair", preexec_fn=masked)
    assert len(list((outside.store / "damaged").iterdir())) == 2
    for path in [outside.store, *outside.store.rglob("*")]:
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode == ((0o2775, 0o664) if shared else modes)[path.is_file()], path


def test_a_clock_that_was_set_back_makes_no_negative_duration(aivcs, files):
    run = aivcs.begin()
    log = Path(aivcs.run_log(run))
    (entry,) = files.read_chain(log)
    del entry["hash"]
    log.write_bytes(files.seal([entry | {"created_at": "2999-01-01T00:00:00.000000Z"}]))
    aivcs.ok("run", "log", run, "k")
    aivcs.ok("run", "reap", run)
    assert aivcs.record(run)["summary"]["duration_ms"] == 0
