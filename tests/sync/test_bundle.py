"""Bundles: one file that proves itself, and takes nothing from strangers on trust."""

import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile

import pytest
from conftest import Aivcs
from sync.conftest import blobs, content, edit_log, logs, record

from aivcs.api import Repository
from aivcs.commands.bundle.create import create


@pytest.fixture
def full(here):
    for number in range(3):
        record(here, number)
    one = here.put(b"one")
    run = here.ok("run", "start", "--agent", "bot", "--spec", one).text
    here.ok("run", "finish", run)
    here.ok("release", "promote", "prod/bot", one, "--evidence", run, "--by", "ann")
    here.put(b"named by nothing")
    return here


@pytest.fixture
def bundle(full, tmp_path):
    """The file of a bundle of a whole store."""
    full.ok("bundle", "create", "../b.tar")
    return tmp_path / "b.tar"


def repack(source, target, edit):
    """Writes a tar with members as `edit(name, data)` returns them; None leaves one out."""
    with tarfile.open(source) as old, tarfile.open(target, "w", format=tarfile.PAX_FORMAT) as new:
        for member in old:
            data = old.extractfile(member).read()  # type: ignore[union-attr]
            changed = edit(member.name, data)
            if changed is not None:
                info = tarfile.TarInfo(member.name)
                info.size = len(changed)
                new.addfile(info, io.BytesIO(changed))


def add(path, *members):
    """Appends members to a tar."""
    with tarfile.open(path, "a", format=tarfile.PAX_FORMAT) as tar:
        for info, data in members:
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data) if data else None)


class TestCreate:
    def test_the_digest_is_that_of_the_heads(self, full, tmp_path):
        done = full.ok("bundle", "create", "../b.tar")
        assert done.text == full.ok("head").text
        with tarfile.open(tmp_path / "b.tar") as tar:
            heads = tar.extractfile(".aivcs/heads.json").read()  # type: ignore[union-attr]
        assert hashlib.sha256(heads).hexdigest() == done.text

    def test_equal_stores_give_equal_bytes(self, full, bundle, tmp_path):
        full.ok("bundle", "create", "../again.tar")
        assert (tmp_path / "again.tar").read_bytes() == bundle.read_bytes()

    @pytest.mark.skipif(shutil.which("jq") is None, reason="there is no jq")
    def test_tar_jq_and_sha256sum_check_it(self, full, bundle, tmp_path):
        (tmp_path / "out").mkdir()
        script = """
        set -eu
        tar xf "$1" && cd .aivcs
        find objects -type f | while read -r f; do
            d=$(echo "$f" | sed 's,objects/,,; s,/,,'); echo "$d  $f"; done | sha256sum -c --quiet
        jq -r '.logs[] | "\\(.log) \\(.lines) \\(.hash)"' heads.json | while read -r log n hash; do
            f=${log/release/releases}.jsonl
            case $log in run/*) f=${f#run/}; f=runs/${f:0:2}/$f;; esac
            test "$(wc -l < "$f")" = "$n"
            test "$(tail -1 "$f" | jq -r .hash)" = "$hash"
        done
        echo checked
        """
        done = subprocess.run(
            ["bash", "-c", script, "-", str(bundle)],
            cwd=tmp_path / "out", capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.stdout == "checked\n", done.stderr

    def test_unpacked_it_is_a_store(self, full, bundle, tmp_path):
        (tmp_path / "out").mkdir()
        with tarfile.open(bundle) as tar:
            tar.extractall(tmp_path / "out", filter="data")
        other = Aivcs(tmp_path / "out", full.home)
        assert other.ok("head").text == full.ok("head").text
        other.ok("verify")

    def test_a_selection_has_what_it_declares(self, full, tmp_path):
        full.ok("bundle", "create", "../b.tar", "--release", "prod/bot")
        with tarfile.open(tmp_path / "b.tar") as tar:
            names = [name for name in tar.getnames() if "/runs/" in name]
            objects = {n[-65:].replace("/", "") for n in tar.getnames() if "/objects/" in n}
        assert len(names) == 1
        assert objects == {hashlib.sha256(b"one").hexdigest()}
        full.ok("bundle", "verify", "../b.tar")

    def test_runs_are_selected(self, full, tmp_path):
        run = record(full, agent="other")
        full.ok("bundle", "create", "../b.tar", "--agent", "other")
        with tarfile.open(tmp_path / "b.tar") as tar:
            assert f".aivcs/runs/{run[:2]}/{run}.jsonl" in tar.getnames()
            assert len([n for n in tar.getnames() if n.endswith(".jsonl")]) == 1

    def test_a_damaged_store_gives_no_file(self, full, tmp_path):
        path = full.object(full.put(b"one"))
        path.chmod(0o600)
        path.write_bytes(b"two")
        full("bundle", "create", "../b.tar", code=14)
        assert not list(tmp_path.glob("b.tar*"))

    @pytest.mark.parametrize("chosen", [None, "all"])
    def test_a_run_recorded_meanwhile_brings_no_log_without_its_blobs(self, full, tmp_path, chosen):
        old = record(full, agent="old", is_over=False)
        more = tmp_path / "more"
        more.write_text("put after the blobs were listed")
        repo = Repository.open(full.store)
        runs = None if chosen is None else list(repo.runs.list_run_ids())
        before = full.ok("head").text
        done: list[object] = []

        def meanwhile(_size):
            if not done:
                full.ok("run", "log", "--blob", f"f={more}", old, "out")
                full.ok("run", "annotate", old, "remark", "n:=1")
                done.append(record(full, agent="new"))

        written = create(
            repo, str(tmp_path / "b.tar"), runs=runs, releases=["prod/bot"], progress=meanwhile
        )
        assert done
        assert written.heads == before
        checked = full.ok("bundle", "verify", "../b.tar")
        assert "not in this store" not in checked.text

    def test_two_that_write_one_file_do_not_write_into_each_other(self, full, tmp_path):
        path = tmp_path / "b.tar"
        repo = Repository.open(full.store)
        done: list[object] = []

        def meanwhile(_size):
            if not done:
                done.append(full.ok("bundle", "create", "../b.tar", "--agent", "nobody"))
                full.ok("bundle", "verify", "../b.tar")

        create(repo, str(path), progress=meanwhile)
        assert done
        full.ok("bundle", "verify", "../b.tar", "--head", full.ok("head").text)
        assert [file.name for file in tmp_path.glob("b.tar*")] == ["b.tar"]

    def test_what_is_not_a_file_is_not_replaced(self, full, tmp_path):
        os.mkfifo(tmp_path / "pipe")
        full("bundle", "create", "../pipe", code=2)
        assert (tmp_path / "pipe").is_fifo()
        full("bundle", "create", "..", code=2)

    def test_a_link_stays_and_the_file_is_replaced(self, full, tmp_path):
        (tmp_path / "disk").mkdir()
        (tmp_path / "disk" / "real.tar").write_bytes(b"old")
        (tmp_path / "disk" / "real.tar").chmod(0o600)
        (tmp_path / "link.tar").symlink_to("disk/real.tar")
        full.ok("bundle", "create", "../link.tar")
        assert (tmp_path / "link.tar").is_symlink()
        assert (tmp_path / "disk" / "real.tar").stat().st_mode & 0o777 == 0o600
        full.ok("bundle", "verify", "../disk/real.tar")

    def test_what_cannot_be_written_is_said(self, full):
        refused = full("bundle", "create", "nowhere/b.tar", code=16)
        assert "nowhere" in refused.complaint
        assert "unset" in full("bundle", "create", "", code=2).complaint
        absent = full("bundle", "create", "b.tar", "--release", "no-such", code=12)
        assert "no-such" in absent.complaint
        assert not (full.folder / "b.tar").exists()

    def test_an_empty_store_can_be_bundled(self, here, tmp_path):
        here.ok("bundle", "create", "../b.tar")
        here.ok("bundle", "verify", "../b.tar")


class TestVerify:
    def test_a_whole_one_is_sound(self, full, bundle):
        done = full.ok("bundle", "verify", str(bundle))
        assert done.out == b""
        assert b"no damage found" in done.err

    def test_the_kept_digest_proves_it(self, full, bundle):
        head = full.ok("head").text
        full.ok("bundle", "verify", str(bundle), "--head", head)
        assert full("bundle", "verify", str(bundle), "--head", "0" * 64, code=14).out

    @pytest.mark.parametrize(
        "edit",
        [
            lambda name, data: data[:-1] + b"!" if "/objects/" in name else data,
            lambda name, data: data.replace(b'"n":1', b'"n":8'),
            lambda name, data: None if "/releases/" in name else data,
            lambda name, data: data.replace(b'"lines":', b'"lines":1') if "heads" in name else data,
            lambda name, data: b"{}" if "heads" in name else data,
            lambda name, data: None if "heads" in name else data,
            lambda name, data: b"".join(data.splitlines(True)[:-1]) if "/runs/" in name else data,
        ],
        ids=["object", "event", "no release", "heads", "no heads", "heads missing", "cut"],
    )
    def test_what_was_changed_is_named(self, full, bundle, tmp_path, edit):
        repack(bundle, tmp_path / "bad.tar", edit)
        done = full("bundle", "verify", "../bad.tar", code=14)
        assert done.out

    def test_a_run_that_the_heads_do_not_name_is_damage(self, full, there, bundle, tmp_path):
        run = record(there)
        name = f".aivcs/runs/{run[:2]}/{run}.jsonl"
        add(bundle, (tarfile.TarInfo(name), logs(there)[f"{run}.jsonl"]))
        assert run in full("bundle", "verify", str(bundle), code=14).out.decode()

    @pytest.mark.parametrize(
        "edit",
        [
            lambda name, data: None if "/releases/" in name else data,
            lambda name, data: b"".join(data.splitlines(True)[:-1]) if "/runs/" in name else data,
            lambda name, data: b"{}" if "heads" in name else data,
            lambda name, data: None if "heads" in name else data,
        ],
        ids=["no release", "cut", "no heads", "heads missing"],
    )
    def test_a_bundle_that_contradicts_its_heads_is_not_copied(
        self, full, store, bundle, tmp_path, edit
    ):
        repack(bundle, tmp_path / "bad.tar", edit)
        reader = store("reader")
        before = content(reader)
        assert "nothing was copied" in reader("pull", "../bad.tar", code=14).complaint
        reader("pull", "../bad.tar", "--from-untrusted", "a fork", code=14)
        assert content(reader) == before
        assert "nothing was copied" in reader("clone", "../bad.tar", "../copy", code=14).complaint
        assert not (tmp_path / "copy").exists()

    def test_a_run_that_the_heads_do_not_name_is_not_copied(self, full, there, bundle, store):
        run = record(there)
        name = f".aivcs/runs/{run[:2]}/{run}.jsonl"
        add(bundle, (tarfile.TarInfo(name), logs(there)[f"{run}.jsonl"]))
        reader = store("reader")
        before = content(reader)
        assert run in reader("pull", str(bundle), code=14).complaint
        assert content(reader) == before


def link(kind, target="/etc/passwd"):
    info = tarfile.TarInfo(".aivcs/objects/ab/" + "c" * 62)
    info.type = kind
    info.linkname = target
    return info


def named(name):
    return tarfile.TarInfo(name)


def sparse():
    info = tarfile.TarInfo(".aivcs/objects/ab/" + "c" * 62)
    info.type = tarfile.GNUTYPE_SPARSE
    return info


def with_header(key, value):
    info = tarfile.TarInfo(".aivcs/objects/ab/" + "c" * 62)
    info.pax_headers = {key: value}
    return info


HOSTILE = {
    "a symbolic link": link(tarfile.SYMTYPE),
    "a hard link": link(tarfile.LNKTYPE),
    "a device": link(tarfile.CHRTYPE),
    "a pipe": link(tarfile.FIFOTYPE),
    "a folder": link(tarfile.DIRTYPE),
    "a sparse file": sparse(),
    "a sparse header": with_header("GNU.sparse.size", "99999999999"),
    "an unknown header": with_header("SCHILY.xattr.user.x", "y"),
    "a huge header": with_header("comment", "x" * 100_000),
    "a name that climbs": named("../evil"),
    "a name that climbs inside": named(".aivcs/runs/../../evil.jsonl"),
    "an absolute name": named("/etc/evil"),
    "a configuration": named(".aivcs/config.toml"),
    "a hook": named(".git/hooks/pre-commit"),
    "a format twice": named(".aivcs/format"),
    "a run in the wrong folder": named(".aivcs/runs/zz/abcd.jsonl"),
    "a run with a bad id": named(".aivcs/runs/.a/.abc.jsonl"),
    "a release with a bad name": named(".aivcs/releases/a//b.jsonl"),
    "a digest in capitals": named(".aivcs/objects/AB/" + "C" * 62),
    "a name of 400 characters": named(".aivcs/releases/" + "x" * 400 + ".jsonl"),
}


class TestStrangers:
    """A bundle from elsewhere changes nothing unless all of it is in order."""

    @pytest.fixture
    def reader(self, store):
        return store("reader")

    def pull(self, reader, path, code, *words):
        before = content(reader)
        done = reader("pull", str(path), *words, code=code)
        assert content(reader) == before
        return done

    @pytest.mark.parametrize("info", HOSTILE.values(), ids=HOSTILE.keys())
    def test_a_member_that_no_bundle_has_refuses_all_of_it(self, reader, bundle, info):
        add(bundle, (info, b"" if info.type != tarfile.REGTYPE else b"1\n"))
        done = self.pull(reader, bundle, 16 if "x" * 99 in info.name else 14)
        assert str(bundle) in done.complaint
        assert not (reader.folder / "evil").exists()

    def test_a_name_in_two_spellings_is_refused(self, reader, bundle, there):
        data = there.ok("bundle", "create", "x.tar") and b"1\n"
        add(
            bundle,
            (named(".aivcs/releases/Bot.jsonl"), data),
            (named(".aivcs/releases/bot.jsonl"), data),
        )
        assert "spellings" in self.pull(reader, bundle, 14).complaint

    @pytest.mark.parametrize(
        "data",
        [b"", b"x" * 511, b"x" * 2048, b"\0" * 100, b"\x1f\x8b" + b"x" * 1000, b"PK\x03\x04" * 500],
        ids=["empty", "short", "text", "zeros", "gzip", "zip"],
    )
    def test_what_is_no_tar_is_refused(self, reader, tmp_path, data):
        (tmp_path / "bad.tar").write_bytes(data)
        self.pull(reader, tmp_path / "bad.tar", 14)

    def test_one_that_is_cut_off_is_refused(self, reader, bundle):
        data = bundle.read_bytes()
        for size in (len(data) // 2, len(data) - 1024, 700):
            bundle.write_bytes(data[:size])
            self.pull(reader, bundle, 14)

    def test_something_behind_its_end_is_refused(self, reader, bundle):
        bundle.write_bytes(bundle.read_bytes() + b"more")
        self.pull(reader, bundle, 14)

    def test_a_size_that_cannot_be_is_refused(self, reader, bundle):
        data = bytearray(bundle.read_bytes())
        data[124:136] = b"77777777777\0"
        data[148:156] = b" " * 8
        data[148:156] = b"%06o\0 " % sum(data[:512])
        bundle.write_bytes(bytes(data))
        self.pull(reader, bundle, 14)

    def test_a_blob_under_a_false_name_has_its_runs_refused(self, reader, full, bundle, tmp_path):
        spec = full.put(b"one")
        repack(
            bundle,
            tmp_path / "bad.tar",
            lambda name, data: b"two" if name.endswith(spec[2:]) else data,
        )
        reader("pull", "../bad.tar", code=14)
        assert spec not in blobs(reader)
        assert len(logs(reader)) == 3  # the others, whose blobs are right
        reader.ok("verify")

    def test_a_run_that_breaks_the_rules_is_refused_though_its_chain_is_whole(
        self, reader, full, tmp_path
    ):
        run = record(full, 5)
        edit_log(full.run_log(run), lambda entries: [entries[0], *entries[2:], entries[1]])
        full.ok("bundle", "create", "../bad.tar")
        done = reader("pull", "../bad.tar", code=14)
        assert run in done.err.decode()
        assert f"{run}.jsonl" not in logs(reader)
        reader.ok("verify")

    def test_a_pipe_is_no_bundle(self, reader, tmp_path):
        subprocess.run(["mkfifo", str(tmp_path / "pipe")], check=True)
        reader("pull", "../pipe", code=10)
        reader("bundle", "verify", "../pipe", code=16)


class TestUntrusted:
    @pytest.fixture
    def reader(self, store):
        return store("reader")

    def test_runs_are_taken_and_marked(self, reader, full, bundle):
        reader.ok("pull", str(bundle), "--from-untrusted", "fork of eve")
        assert logs(reader) == logs(full)
        assert not list(reader.store.glob("releases/**/*.jsonl"))
        reader.ok("verify")

    def test_they_are_no_evidence(self, reader, full, bundle):
        reader.ok("pull", str(bundle), "--from-untrusted", "fork of eve")
        spec = full.put(b"one")
        (run,) = [
            told["run_id"] for told in reader.ok("run", "list", "--spec", spec, "--json").json_lines
        ]
        words = ("release", "promote", "bot", spec, "--by", "me")
        done = reader(*words, "--evidence", run, code=15)
        assert "fork of eve" in done.complaint
        reader(*words, "--evidence-where", "x=1", code=12)
        # Once somebody who is trusted has them, too, they are.
        reader.ok("pull", str(full.store))
        reader.ok(*words, "--evidence", run)

    def test_a_run_without_a_line_vouches_for_nothing(self, reader, full, bundle, store):
        reader.ok("pull", str(bundle), "--from-untrusted", "fork of eve")
        marks = sorted(path.name for path in reader.store.glob("untrusted/*"))
        other = store("other")
        for path in full.store.glob("runs/*/*.jsonl"):
            empty = other.store / path.relative_to(full.store)
            empty.parent.mkdir(exist_ok=True, parents=True)
            empty.touch()
        reader.ok("pull", str(other.store))
        assert marks == sorted(path.name for path in reader.store.glob("untrusted/*"))
        assert marks

    @pytest.mark.parametrize("way", ["push", "pull", "clone", "bundle", "selected"])
    def test_no_copy_makes_them_evidence(self, reader, store, full, bundle, tmp_path, way):
        reader.ok("pull", str(bundle), "--from-untrusted", "fork of eve")
        spec = full.put(b"one")
        (run,) = [
            told["run_id"] for told in reader.ok("run", "list", "--spec", spec, "--json").json_lines
        ]
        if way in {"bundle", "selected"}:
            chosen = ["--run", run] if way == "selected" else []
            reader.ok("bundle", "create", "../marked.tar", *chosen)
            reader.ok("bundle", "verify", "../marked.tar")
        if way in {"clone", "bundle"}:
            source = "../marked.tar" if way == "bundle" else str(reader.store)
            reader.ok("clone", source, "../other")
            other = Aivcs(tmp_path / "other", reader.home)
            other.ok("config", "unset", "release.home.*")
        else:
            other = store("other")
            other.put(b"one")
            if way == "push":
                reader.ok("push", str(other.store))
            else:
                other.ok("pull", "../marked.tar" if way == "selected" else str(reader.store))
        promote = ("release", "promote", "bot", spec, "--by", "me", "--evidence", run)
        assert "fork of eve" in other(*promote, code=15).complaint
        other.ok("pull", str(full.store))
        other.ok(*promote)

    def test_a_run_that_is_refused_is_not_marked(self, reader, full):
        good = sorted(path.stem for path in full.store.glob("runs/*/*.jsonl"))
        run = record(full, 5)
        edit_log(full.run_log(run), lambda e: [e[0], e[2], e[1], *e[3:]])
        full.ok("bundle", "create", "../bad.tar")
        done = reader("pull", "../bad.tar", "--from-untrusted", "fork of eve", code=14)
        assert f"{run} line" in done.err.decode()
        assert sorted(path.name for path in reader.store.glob("untrusted/*")) == good

    def test_a_release_elsewhere_does_not_take_them(self, reader, there, full, bundle):
        reader.ok("pull", str(bundle), "--from-untrusted", "fork of eve")
        reader.ok("remote", "add", "origin", str(there.store))
        reader.ok("config", "set", "release.home.*", "origin")
        spec = full.put(b"one")
        (run,) = [
            told["run_id"] for told in reader.ok("run", "list", "--spec", spec, "--json").json_lines
        ]
        words = ("release", "promote", "bot", spec, "--by", "me", "--evidence", run)
        assert "fork of eve" in reader(*words, code=15).complaint

    def test_they_extend_no_run_of_ours(self, here, there, tmp_path):
        run = record(here, is_over=False)
        here.ok("push")
        shutil.rmtree(there.store / "replicas")
        there.ok("run", "log", run, "a stranger's event")
        there.ok("bundle", "create", "../b.tar")
        before = logs(here)
        assert run in here("pull", "../b.tar", "--from-untrusted", "eve", code=15).complaint
        assert logs(here) == before

    def test_limits_hold_before_anything_is_stored(self, reader, full, bundle, tmp_path):
        line = b'{"type":"run","x":"' + b"x" * (3 << 20) + b'"}\n'
        name = ".aivcs/runs/ab/abcd.jsonl"

        def name_it(member, data):
            if not member.endswith("heads.json"):
                return data
            heads = json.loads(data)
            heads["logs"].append({"log": "run/abcd", "lines": 1, "hash": "0" * 64})
            heads["logs"].sort(key=lambda entry: entry["log"])
            return json.dumps(heads, separators=(",", ":")).encode()

        repack(bundle, tmp_path / "bad.tar", name_it)
        add(tmp_path / "bad.tar", (named(name), line))
        before = content(reader)
        reader("pull", "../bad.tar", "--from-untrusted", "eve", "--run", "abcd", code=16)
        assert content(reader) == before

    def test_a_label_is_a_line(self, reader, bundle, full):
        for label in ("", " ", "a\nb", "x" * 201):
            reader("pull", str(bundle), "--from-untrusted", label, code=2)
        reader("pull", str(full.store), "--from-untrusted", "x", code=2)


class TestRestore:
    def test_a_backup_is_restored_whole(self, full, bundle, tmp_path):
        head = full.ok("head").text
        shutil.rmtree(full.store)
        full.ok("clone", str(bundle), ".")
        assert full.ok("head").text == head
        full.ok("release", "promote", "prod/bot", full.put(b"next"), "--by", "ann")
        assert full.ok("remote", "list").out == b""

    def test_json_says_what_it_holds(self, full):
        told = full.ok("bundle", "create", "b.tar", "--json").json
        assert told["logs"] == 5
        assert json.dumps(told)

    def test_into_a_store_that_exists_is_refused(self, here, there, store, tmp_path):
        live = there.put(b"live")
        there.ok("release", "promote", "bot", live, "--by", "ann")
        there.ok("config", "set", "policy.*.require_runs", "1")
        here.ok("release", "promote", "bot", here.put(b"bad"), "--by", "eve")
        here.ok("bundle", "create", "../e.tar")
        configured, with_blob, cloned = store("configured"), store("with_blob"), tmp_path / "cloned"
        configured.ok("config", "set", "policy.*.require_runs", "1")
        with_blob.put(b"mine")
        there.ok("clone", ".", str(cloned))
        for other in (there, configured, with_blob, Aivcs(cloned, here.home)):
            before = content(other)
            done = here("clone", "../e.tar", str(other.folder), code=2)
            assert "there already; pull into it" in done.complaint
            assert content(other) == before
        assert there.ok("release", "current", "bot").text == live

    def test_that_was_broken_off_goes_on_with_the_same_bundle_only(
        self, full, bundle, store, tmp_path
    ):
        """A damaged copy of the bundle leaves a part, which a good one completes."""
        (run, *_) = sorted(logs(full))

        def edit(name, data):
            return data.replace(b'"bot"', b'"bit"', 1) if name.endswith(run) else data

        repack(bundle, tmp_path / "bad.tar", edit)
        full("clone", "../bad.tar", "../copy", code=14)
        other = store("other")
        record(other)
        other.ok("bundle", "create", "../other.tar")
        copy = Aivcs(tmp_path / "copy", full.home)
        before = content(copy)
        full("clone", "../other.tar", "../copy", code=2)
        assert content(copy) == before
        full.ok("clone", str(bundle), "../copy")
        assert copy.ok("head").text == full.ok("head").text
        full("clone", str(bundle), "../copy", code=2)
