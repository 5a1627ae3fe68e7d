"""What `aivcs gc` deletes, and what it must not."""

import json
import os
import subprocess
import sys
import time

import pytest

from aivcs.api import Repository
from aivcs.log.release_changes import plan_rollback
from aivcs.model.digest import ContentDigest

GARBAGE = b"nobody needs this"


def age(path, seconds=30 * 86_400):
    """Lets a file, or all files below a folder, be last written so many seconds ago."""
    then = time.time() - seconds
    for file in path.rglob("*") if path.is_dir() else [path]:
        if file.is_file():
            os.utime(file, (then, then))


@pytest.fixture
def old(aivcs):
    """Lets every blob of the store be put long ago."""
    return lambda: age(aivcs.store / "objects")


def gone(done):
    """The digests that a gc printed."""
    return {line.split("\t")[0] for line in done.lines}


def is_there(aivcs, digest):
    return aivcs("blob", "has", digest).code == 0


class TestWhatGoes:
    def test_deletes_what_nothing_refers_to_and_prints_it(self, aivcs, old):
        digest = aivcs.put(GARBAGE)
        old()
        done = aivcs.ok("gc")
        assert done.lines == [f"{digest}\t{len(GARBAGE)}"]
        assert done.err == f"deleted 1 blob of {len(GARBAGE)} bytes\n".encode()
        assert not is_there(aivcs, digest)

    def test_prints_json(self, aivcs, old):
        digests = sorted([aivcs.put(GARBAGE), aivcs.put(b"")])
        old()
        lines = aivcs.ok("gc", "--json").json_lines
        assert [line["digest"] for line in lines] == digests
        assert sum(line["size"] for line in lines) == len(GARBAGE)

    def test_finds_nothing_in_an_empty_store(self, aivcs, unchanged):
        with unchanged:
            assert aivcs.ok("gc", "--grace", "0s").out == b""

    def test_a_dry_run_says_the_same_and_changes_nothing(self, aivcs, old, unchanged):
        digest = aivcs.put(GARBAGE)
        (aivcs.store / "tmp" / "2147483647-0123456789ab").write_bytes(b"x")
        age(aivcs.store / "tmp")
        old()
        with unchanged:
            dry = aivcs.ok("gc", "--dry-run")
        assert dry.err == (
            b"would delete 1 blob of %d bytes, 1 unfinished file of crashes\n" % len(GARBAGE)
        )
        assert is_there(aivcs, digest)
        assert aivcs.ok("gc").out == dry.out

    def test_what_garbage_refers_to_is_garbage(self, aivcs, old):
        below = aivcs.put(GARBAGE)
        above = aivcs.put(json.dumps({"below": below}))
        old()
        assert gone(aivcs.ok("gc")) == {below, above}

    def test_more_or_fewer_digits_than_a_digest_has_are_no_reference(self, aivcs, old):
        digest = aivcs.put(GARBAGE)
        aivcs.begin("bot", f"a{digest} {digest}0 {digest[:-1]} {digest[:30]}-{digest[30:]}")
        old()
        assert gone(aivcs.ok("gc")) == {digest}


class TestGrace:
    @pytest.mark.parametrize(
        ("grace", "seconds"),
        [("30m", 1800), ("12h", 43_200), ("2d", 172_800), ("1w", 604_800), (None, 1_209_600)],
    )
    def test_keeps_what_was_put_within_it(self, aivcs, grace, seconds):
        young, aged = aivcs.put(b"young"), aivcs.put(b"aged")
        age(aivcs.object(young), seconds - 60)
        age(aivcs.object(aged), seconds + 60)
        assert gone(aivcs.ok("gc", *(["--grace", grace] if grace else []))) == {aged}

    def test_of_nothing_keeps_nothing_that_is_not_referred_to(self, aivcs):
        digest = aivcs.put(GARBAGE)
        age(aivcs.object(digest), 1)
        assert gone(aivcs.ok("gc", "--grace", "0s")) == {digest}

    def test_begins_anew_when_a_blob_is_put_again(self, aivcs, old):
        digest = aivcs.put(GARBAGE)
        old()
        aivcs.put(GARBAGE)
        assert aivcs.ok("gc").out == b""
        assert is_there(aivcs, digest)

    def test_holds_for_what_a_young_blob_refers_to(self, aivcs, old):
        prompt = aivcs.put(b"an old prompt")
        old()
        aivcs.put(f'{{"prompt": "{prompt}"}}')
        assert aivcs.ok("gc").out == b""
        assert is_there(aivcs, prompt)

    @pytest.mark.parametrize("text", ["", "5", "-1s", "2 weeks", "1y", "nan", "1.5h"])
    def test_that_is_no_duration_is_refused(self, aivcs, unchanged, text):
        with unchanged:
            assert "duration" in aivcs("gc", f"--grace={text}", code=2).complaint


class TestWhatIsKept:
    """Each refers to a digest in one way; nothing of it may go."""

    def refer_by_a_spec(self, aivcs, digest):
        aivcs.ok("run", "start", "--agent", "bot", "--spec", digest)

    def refer_by_a_spec_that_names_it(self, aivcs, digest):
        aivcs.begin("bot", f'{{"prompt_digest":"{digest}","tools":[]}}')

    def refer_by_a_key_in_a_manifest_of_a_manifest(self, aivcs, digest):
        inner = aivcs.put(f' [{{"{digest.upper()}": 1}}]')
        aivcs.begin("bot", f'\n{{"tools":[["{inner}"]]}}')

    def refer_by_a_manifest_that_is_not_quite_json(self, aivcs, digest):
        aivcs.begin("bot", f'{{"a":1}}\n{{"b":"{digest}"}}\n')

    def refer_by_a_manifest_with_a_byte_order_mark(self, aivcs, digest):
        aivcs.begin("bot", f'\ufeff{{"b":"{digest}"}}')

    def refer_by_a_manifest_with_escapes(self, aivcs, digest):
        escaped = "".join(f"\\u00{ord(c):02x}" if n % 3 else c for n, c in enumerate(digest))
        aivcs.begin("bot", f'{{"b":"{escaped}"}}')

    def refer_by_the_end_of_a_large_manifest(self, aivcs, digest):
        aivcs.begin("bot", json.dumps(["x" * ((1 << 20) - 40), digest]))

    def refer_by_a_manifest_of_over_64_mebibytes(self, aivcs, digest):
        (aivcs.folder / "large").write_text(json.dumps(["x" * (65 << 20), digest]))
        aivcs.ok("run", "start", "--agent", "bot", "--spec-file", "large")
        (aivcs.folder / "large").unlink()

    def refer_by_a_yaml_spec(self, aivcs, digest):
        aivcs.begin("bot", f"model: opus\nprompt: {digest}\n")

    def refer_by_its_algorithm_and_a_digest(self, aivcs, digest):
        aivcs.begin("bot", f'{{"prompt":"sha256:{digest}"}}')

    def refer_by_a_prompt_that_is_plain_text(self, aivcs, digest):
        prompt = aivcs.put(f"Read \u201c{digest.upper()}\u201d first.")
        aivcs.begin("bot", f'{{"prompt":"{prompt}"}}')

    def refer_by_bytes_that_are_no_text(self, aivcs, digest):
        aivcs.begin("bot", b"\x00\xff" + digest.encode() + b"\x00")

    def refer_by_the_last_of_many_texts(self, aivcs, digest):
        aivcs.begin("bot", b"fee " * (1 << 17) + digest.encode())

    def refer_by_a_text_in_an_event(self, aivcs, digest):
        aivcs.ok("run", "log", aivcs.begin(), "said", f"text=see {digest}")

    @staticmethod
    def _behind(text):
        return lambda self, aivcs, digest: aivcs.begin("bot", json.dumps([text + digest]))

    refer_behind_an_escaped_quotation_mark = _behind("\u201c")
    refer_behind_a_form_feed = _behind("\f")
    refer_behind_a_backspace = _behind("\b")
    refer_behind_a_line_feed = _behind("\n")
    refer_behind_an_escape_of_an_escape = _behind(json.dumps("\u201c")[:-1])

    def refer_by_a_tag(self, aivcs, digest):
        aivcs.begin("bot", b"a spec\n", "--tag", f"prompt={digest}")

    def refer_by_a_payload(self, aivcs, digest):
        aivcs.ok("run", "log", aivcs.begin(), "k", f'[{{"deep":"{digest}"}}]')

    def refer_by_a_kind(self, aivcs, digest):
        aivcs.ok("run", "log", aivcs.begin(), digest)

    def refer_by_a_blob_of_an_event(self, aivcs, digest):
        content = aivcs.ok("blob", "get", digest).out
        (aivcs.folder / "file").write_bytes(content)
        aivcs.ok("run", "log", "--blob", "report=file", aivcs.begin(), "done")

    def refer_by_a_final_state(self, aivcs, digest):
        aivcs.ok("run", "finish", aivcs.begin(), "--state", digest)

    def refer_by_a_release_that_is_live(self, aivcs, digest):
        aivcs.ok("release", "promote", "team/bot", digest)

    def refer_by_a_release_that_was_rolled_back(self, aivcs, digest):
        aivcs.ok("release", "promote", "bot", aivcs.put(b"first"))
        aivcs.ok("release", "promote", "bot", digest)
        aivcs.ok("release", "rollback", "bot")

    def refer_by_the_notes_of_a_release(self, aivcs, digest):
        aivcs.ok("release", "promote", "bot", aivcs.put(b"first"), "--notes", digest)

    def refer_by_a_pin(self, aivcs, digest):
        aivcs.ok("blob", "pin", digest)

    def refer_by_a_pinned_manifest(self, aivcs, digest):
        aivcs.ok("blob", "pin", aivcs.put(f'["{digest}"]'))

    def refer_by_a_block(self, aivcs, digest):
        aivcs.ok("release", "promote", "bot", aivcs.put(b"first"))
        aivcs.ok("release", "block", "bot", digest, "--reason", "bad")

    def refer_by_the_policy_of_a_release(self, aivcs, digest):
        aivcs.ok("release", "promote", "bot", aivcs.put(b"first"))
        releases = Repository.open(aivcs.store).releases
        releases.change(
            "bot", lambda view: plan_rollback(view, to=1).resting_on(policy=ContentDigest(digest))
        )

    def refer_by_a_member_that_is_not_known(self, aivcs, digest, files):
        run = aivcs.begin()
        aivcs.ok("run", "log", run, "k")
        log = aivcs.run_log(run)
        entries = self.unsealed(files, log)
        entries[1]["attachment"] = digest
        log.write_bytes(files.seal(entries))

    def unsealed(self, files, log):
        return [
            {key: value for key, value in entry.items() if key != "hash"}
            for entry in files.read_chain(log)
        ]

    @pytest.mark.parametrize(
        "refer", [name for name in dict.fromkeys(locals()) if name.startswith("refer_")]
    )
    def test_what_is_referred_to(self, aivcs, old, files, refer):
        digest, other = aivcs.put(b"wanted"), aivcs.put(GARBAGE)
        more = (files,) if refer == "refer_by_a_member_that_is_not_known" else ()
        getattr(self, refer)(aivcs, digest, *more)
        old()
        assert gone(aivcs.ok("gc")) == {other}
        assert is_there(aivcs, digest)
        assert b"no damage found" in aivcs.ok("verify").err


class TestWhatStopsIt:
    """Each leaves the store so that what refers to what cannot be known."""

    def damage_a_run(self, aivcs):
        log = aivcs.run_log(aivcs.begin())
        log.write_bytes(log.read_bytes().replace(b'"bot"', b'"BOT"'))
        return 14

    def damage_an_event_in_the_middle(self, aivcs):
        run = aivcs.begin()
        for number in range(3):
            aivcs.ok("run", "log", run, "k", f"n:={number}")
        log = aivcs.run_log(run)
        log.write_bytes(log.read_bytes().replace(b'"n":1', b'"n":7'))
        return 14

    def damage_a_release(self, aivcs):
        aivcs.ok("release", "promote", "bot", aivcs.put(b"first"))
        log = aivcs.release_log("bot")
        log.write_bytes(log.read_bytes().replace(b'"promote"', b'"PROMOTE"'))
        return 14

    def damage_a_spec(self, aivcs):
        aivcs.begin("bot", b"a spec")
        return self.spoil(aivcs, b"a spec", b"A spec")

    def damage_the_end_of_a_large_spec(self, aivcs):
        content = b"x" * (3 << 20)
        aivcs.begin("bot", content)
        return self.spoil(aivcs, content, content[:-1] + b"y")

    def move_a_run(self, aivcs):
        log = aivcs.run_log(aivcs.begin())
        (log.parent.parent / "__").mkdir()
        log.rename(log.parent.parent / "__" / log.name)
        return 14

    def link_a_folder_of_releases(self, aivcs):
        (aivcs.store / "releases" / "team").symlink_to(aivcs.folder)
        return 16

    def link_a_run(self, aivcs):
        log = aivcs.run_log(aivcs.begin())
        log.rename(aivcs.folder / "elsewhere")
        log.symlink_to(aivcs.folder / "elsewhere")
        return 16

    def move_a_release_and_put_a_folder_there(self, aivcs):
        aivcs.ok("release", "promote", "bot", aivcs.put(b"first"))
        log = aivcs.release_log("bot")
        log.rename(aivcs.folder / "elsewhere")
        log.mkdir()
        return 16

    def move_the_folder_of_runs(self, aivcs):
        aivcs.begin()
        (aivcs.store / "runs").rename(aivcs.folder / "elsewhere")
        return 14

    def move_the_folder_of_releases(self, aivcs):
        aivcs.ok("release", "promote", "bot", aivcs.put(b"first"))
        (aivcs.store / "releases").rename(aivcs.folder / "elsewhere")
        return 14

    def spoil(self, aivcs, content, changed):
        from hashlib import sha256

        path = aivcs.object(sha256(content).hexdigest())
        path.chmod(0o644)
        path.write_bytes(changed)
        return 14

    @pytest.mark.parametrize(
        "damage",
        [
            name
            for name in dict.fromkeys(locals())
            if name.split("_")[0] in {"damage", "move", "link"}
        ],
    )
    def test_and_nothing_is_deleted(self, aivcs, old, unchanged, damage):
        aivcs.put(GARBAGE)
        code = getattr(self, damage)(aivcs)
        old()
        with unchanged:
            assert aivcs("gc", code=code).complaint
            assert aivcs("gc", "--dry-run", code=code).complaint

    def test_a_missing_folder_of_logs_until_it_is_restored_or_made(self, aivcs, old, unchanged):
        digest = aivcs.put(GARBAGE)
        old()
        for name in ("runs", "releases"):
            (aivcs.store / name).rmdir()
        with unchanged:
            assert "aivcs init" in aivcs("gc", code=14).complaint
            assert "aivcs init" in aivcs("blob", "rm", digest, code=14).complaint
            found = aivcs.ok("verify", "--json").json_lines
            assert [finding["where"] for finding in found] == ["runs", "releases"]
        aivcs.ok("init")
        assert aivcs.ok("verify").out == b""
        assert gone(aivcs.ok("gc")) == {digest}

    def test_the_loss_of_releases_so_far_that_no_run_is_pruned(self, aivcs, unchanged):
        for _ in range(2):
            aivcs.ok("run", "finish", aivcs.begin(), "--exit-code", "0")
        (aivcs.store / "releases").rmdir()
        prune = ("run", "prune", "--keep-last", "1", "--max", "1", "--reason", "old")
        with unchanged:
            assert "releases/" in aivcs(*prune, code=14).complaint
        aivcs.ok("init")
        aivcs.ok(*prune)

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may look into every folder")
    def test_a_folder_that_cannot_be_looked_into(self, aivcs, old):
        digest = aivcs.put(GARBAGE)
        old()
        (aivcs.store / "releases" / "team").mkdir(mode=0)
        assert aivcs("gc", code=16).complaint
        assert is_there(aivcs, digest)

    def test_a_torn_end_does_not(self, aivcs, old):
        digest = aivcs.put(GARBAGE)
        with aivcs.run_log(aivcs.begin()).open("ab") as log:
            log.write(b'{"type":"event","seq":1')
        old()
        assert gone(aivcs.ok("gc")) == {digest}

    def test_an_empty_log_does_not(self, aivcs, old):
        digest = aivcs.put(GARBAGE)
        aivcs.release_log("bot").touch()
        old()
        assert gone(aivcs.ok("gc")) == {digest}


class TestLeftovers:
    @pytest.fixture
    def dead(self):
        process = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"],
                                 capture_output=True, check=True)  # fmt: skip
        return int(process.stdout)

    def leave(self, aivcs, name, seconds):
        path = aivcs.store / "tmp" / name
        path.write_bytes(b"x")
        age(path, seconds)
        return path

    def test_of_a_process_that_is_gone_are_cleared(self, aivcs, dead):
        path = self.leave(aivcs, f"{dead}-0123456789ab", 15 * 86_400)
        done = aivcs.ok("gc")
        assert done.err == b"deleted 0 blobs of 0 bytes, 1 unfinished file of crashes\n"
        assert not path.exists()

    def test_stay_within_the_grace_period(self, aivcs, dead):
        path = self.leave(aivcs, f"{dead}-0123456789ab", 13 * 86_400)
        aivcs.ok("gc")
        assert path.exists()

    def test_stay_while_their_process_lives(self, aivcs):
        path = self.leave(aivcs, f"{os.getpid()}-0123456789ab", 15 * 86_400)
        aivcs.ok("gc")
        assert path.exists()

    @pytest.mark.parametrize("name", ["notes", "12-x", "x-0123456789ab", "-0123456789ab"])
    def test_are_not_what_others_put_there(self, aivcs, name):
        path = self.leave(aivcs, name, 15 * 86_400)
        aivcs.ok("gc")
        assert path.exists()


class TestPins:
    def test_keep_until_they_are_taken_away(self, aivcs, old):
        digest = aivcs.put(GARBAGE)
        old()
        aivcs.ok("blob", "pin", digest[:8])
        assert (aivcs.store / "pins" / digest).read_bytes() == b""
        assert aivcs.ok("gc").out == b""
        aivcs.ok("blob", "unpin", digest[:8])
        assert gone(aivcs.ok("gc")) == {digest}

    def test_may_be_set_and_taken_away_twice(self, aivcs):
        digests = [aivcs.put(b"one"), aivcs.put(b"two")]
        for verb in ("pin", "pin", "unpin", "unpin"):
            assert aivcs.ok("blob", verb, *digests).out == b""
        assert list((aivcs.store / "pins").iterdir()) == []

    def test_are_set_all_or_none(self, aivcs, unchanged):
        digest = aivcs.put(b"one")
        with unchanged:
            assert aivcs("blob", "pin", digest, "0" * 64, code=12).complaint
            assert aivcs("blob", "pin", digest, "0000", code=12).complaint
            assert aivcs("blob", "pin", digest, "", code=2).complaint
            assert aivcs("blob", "pin", digest, "../x", code=2).complaint
            assert aivcs("blob", "unpin", "../format", code=2).complaint

    def test_are_taken_away_by_prefix_though_the_blob_is_gone(self, aivcs):
        digest = aivcs.put(b"one")
        aivcs.ok("blob", "pin", digest)
        aivcs.object(digest).unlink()
        aivcs.ok("blob", "unpin", digest[:6])
        assert list((aivcs.store / "pins").iterdir()) == []

    def test_go_with_a_blob_that_is_removed_by_force(self, aivcs):
        digest, other = aivcs.put(b"one"), aivcs.put(b"two")
        aivcs.ok("blob", "pin", digest, other)
        aivcs.ok("blob", "rm", "--force", digest)
        assert [pin.name for pin in (aivcs.store / "pins").iterdir()] == [other]
        assert aivcs.ok("verify").out == b""

    def test_protect_from_rm(self, aivcs):
        digest = aivcs.put(b"one")
        aivcs.ok("blob", "pin", digest)
        assert "pin" in aivcs("blob", "rm", digest, code=15).complaint

    def test_work_where_an_empty_folder_was_lost(self, aivcs):
        digest = aivcs.put(b"one")
        (aivcs.store / "pins").rmdir()
        aivcs.ok("blob", "unpin", digest)
        aivcs.ok("blob", "pin", digest)
        assert (aivcs.store / "pins" / digest).exists()


def test_all_that_a_released_spec_is_made_of_is_kept(aivcs):
    folder = aivcs.folder / "prompts" / "roles"
    folder.mkdir(parents=True)
    for name in ("a.md", "roles/b.md"):
        (aivcs.folder / "prompts" / name).write_text(f"{name}\n")
    spec = aivcs.ok("spec", "create", "--partial", "--prompts", "prompts").text
    held = aivcs.ok("blob", "ls").lines
    assert len(held) == 4
    aivcs.ok("release", "promote", "bot", spec)
    aivcs.put(b"garbage\n")
    aivcs.ok("gc", "--grace", "0s")
    assert aivcs.ok("blob", "ls").lines == held
    aivcs.ok("spec", "checkout", "bot@current", "out")
