"""`aivcs blob`: contents in, the same contents out, by their SHA-256 and nothing else."""

import os
import shutil
import subprocess
import sys
import threading

import pytest

EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
ABSENT = "0" * 64


class TestPut:
    def test_prints_the_sha256_of_the_content(self, aivcs):
        (aivcs.folder / "f").write_bytes(b"hello\n")
        done = aivcs.ok("blob", "put", "f")
        assert done.out == (b"5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03\n")
        assert done.err == b""

    def test_keeps_the_raw_bytes_under_their_own_digest(self, aivcs, files):
        content = bytes(range(256)) * 5
        digest = aivcs.put(content)
        assert aivcs.object(digest).read_bytes() == content
        assert aivcs.object(digest).stat().st_mode & 0o7777 == 0o644

    def test_takes_an_empty_content(self, aivcs):
        assert aivcs.put(b"") == EMPTY
        assert aivcs.ok("blob", "get", EMPTY).out == b""

    def test_takes_a_content_larger_than_its_buffer(self, aivcs, files):
        content = os.urandom(3_000_001)
        digest = aivcs.put(content)
        assert aivcs.ok("blob", "get", digest).out == content

    def test_stores_the_same_content_once(self, aivcs, files):
        first = aivcs.put(b"x")
        before = files.snapshot(aivcs.store)
        assert aivcs.put(b"x") == first
        assert files.snapshot(aivcs.store) == before

    def test_prints_one_digest_per_operand_in_their_order(self, aivcs, files):
        for name in "abc":
            (aivcs.folder / name).write_text(name)
        done = aivcs.ok("blob", "put", "c", "-", "a", "b", "a", stdin="in")
        assert done.lines == [files.sha256(text) for text in ("c", "in", "a", "b", "a")]

    def test_reads_a_file_whose_name_begins_with_a_dash(self, aivcs, files):
        (aivcs.folder / "-n").write_text("dash")
        assert aivcs.ok("blob", "put", "--", "-n").text == files.sha256("dash")
        assert aivcs.ok("blob", "put", "./-n").text == files.sha256("dash")

    def test_reads_paths_from_standard_input(self, aivcs, files):
        for name in ("a", "b c"):
            (aivcs.folder / name).write_text(name)
        done = aivcs.ok("blob", "put", "--stdin-paths", stdin="a\nb c\na")
        assert done.lines == [files.sha256(text) for text in ("a", "b c", "a")]

    def test_reads_paths_that_end_in_nul(self, aivcs, files):
        (aivcs.folder / "two\nlines").write_text("x")
        for spelling in ("-z", "--null"):
            done = aivcs.ok("blob", "put", spelling, "--stdin-paths", stdin=b"two\nlines\0")
            assert done.lines == [files.sha256("x")]

    def test_takes_no_paths_at_all_from_an_empty_list(self, aivcs):
        assert aivcs.ok("blob", "put", "--stdin-paths", stdin=b"").out == b""

    @pytest.mark.parametrize(
        "arguments",
        [
            (),
            ("--stdin-paths", "f"),
            ("-z", "f"),
            ("",),
            ("absent",),
            ("f", "absent"),
            ("f", "folder"),
            ("f/under",),
            ("n" * 300,),
        ],
        ids=lambda arguments: " ".join(arguments)[:20] or "nothing",
    )
    def test_refuses_what_is_no_list_of_files_and_stores_nothing(self, aivcs, unchanged, arguments):
        (aivcs.folder / "f").write_text("f")
        (aivcs.folder / "folder").mkdir()
        with unchanged:
            done = aivcs("blob", "put", *arguments)
        assert done.code in {2, 16}
        assert done.code == 2 or arguments == ("n" * 300,)
        assert done.out == b""
        assert done.complaint

    def test_points_to_find_when_it_is_given_a_folder(self, aivcs):
        (aivcs.folder / "folder").mkdir()
        assert "find FOLDER" in aivcs("blob", "put", "folder", code=2).complaint

    @pytest.mark.parametrize("listed", [b"\n", b"a\0b\n", b"\n\n"])
    def test_refuses_a_listed_path_that_cannot_be_one(self, aivcs, unchanged, listed):
        with unchanged:
            assert aivcs("blob", "put", "--stdin-paths", stdin=listed, code=2).complaint

    def test_says_how_many_of_a_list_are_stored_when_it_stops(self, aivcs, files):
        for name in ("a", "b"):
            (aivcs.folder / name).write_text(name)
        done = aivcs("blob", "put", "--sums", "--stdin-paths", stdin=b"a\nb\nabsent\na\n", code=2)
        assert done.lines == [f"{files.sha256(name)}  {name}" for name in ("a", "b")]
        assert done.complaint == "no file 'absent'; 2 before it are stored"
        assert aivcs.ok("blob", "ls").lines == sorted(map(files.sha256, ("a", "b")))

    @pytest.mark.parametrize("link", ["objects", "objects/ab", "tmp"])
    def test_stores_many_through_no_link(self, aivcs, files, tmp_path, link):
        names = [f"f{number}" for number in range(600)]
        for name in names:
            (aivcs.folder / name).write_text(name)
        if link == "objects/ab":  # the folder of one of the last
            link = f"objects/{files.sha256(names[-1])[:2]}"
        elsewhere = tmp_path / "elsewhere"
        elsewhere.mkdir()
        place = aivcs.store / link
        if place.is_dir():
            place.rmdir()
        place.symlink_to(elsewhere)
        done = aivcs("blob", "put", "--stdin-paths", stdin="\n".join(names), code=16)
        assert f"{place} is a symbolic link; a store is made of real folders only" in done.complaint
        assert done.complaint.endswith(f"; {len(done.lines)} before it are stored")
        assert not any(elsewhere.iterdir())
        assert done.lines == [files.sha256(name) for name in names[: len(done.lines)]]

    def test_stores_many_where_few_files_may_be_open(self, aivcs, files):
        for number in range(600):
            (aivcs.folder / f"{number}").write_text(f"{number % 500}")
        done = aivcs.shell("ulimit -n 20; seq 0 599 | aivcs blob put --stdin-paths")
        assert done.lines == [files.sha256(f"{number % 500}") for number in range(600)]
        assert aivcs.ok("blob", "verify").out == b""

    def test_heals_a_damaged_object(self, aivcs):
        digest = aivcs.put(b"content")
        aivcs.object(digest).write_bytes(b"")
        assert aivcs("blob", "get", digest).code == 14
        assert aivcs.put(b"content") == digest
        assert aivcs.ok("blob", "get", digest).out == b"content"

    def test_streams_a_large_input_in_bounded_memory(self, aivcs):
        size = 300 << 20
        measured = (
            "import resource, subprocess, sys; "
            "code = subprocess.run(sys.argv[1:]).returncode; "
            "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss); sys.exit(code)"
        )
        sparse = aivcs.folder / "large"
        with sparse.open("wb") as file:
            file.truncate(size)
        from_shell = aivcs.shell(
            f"cat large | {sys.executable} -c '{measured}' "
            f"{sys.executable} -m aivcs blob put - && "
            f"{sys.executable} -m aivcs blob ls | wc -l"
        )
        assert from_shell.code == 0
        _, kilobytes, count = from_shell.lines
        assert int(kilobytes) < 100_000
        assert count == "1"


class TestSums:
    NAMES = (
        b"plain",
        b"with space",
        b" leading",
        b"new\nline",
        b"back\\slash",
        b"both\\n\n",
        b"carriage\rreturn",
        b"latin-\xe9",
        "ütf-8 ☃".encode(),
        b"$HOME;`x`*",
    )

    def put_them_all(self, aivcs, **options):
        for number, name in enumerate(self.NAMES):
            with open(os.path.join(os.fsencode(aivcs.folder), name), "wb") as file:
                file.write(b"content %d" % number)
        listed = b"".join(name + b"\0" for name in self.NAMES)
        return aivcs.ok("blob", "put", "--sums", "-z", "--stdin-paths", stdin=listed, **options)

    def test_are_accepted_by_sha256sum(self, aivcs):
        sums = self.put_them_all(aivcs)
        check = subprocess.run(
            ["sha256sum", "--check", "--strict"],
            input=sums.out, cwd=aivcs.folder, capture_output=True, check=False,
        )  # fmt: skip
        assert check.returncode == 0, check
        assert check.stdout.count(b": OK\n") == len(self.NAMES)

    def test_are_what_sha256sum_prints(self, aivcs):
        sums = self.put_them_all(aivcs)
        printed = subprocess.run(
            ["sha256sum", *self.NAMES], cwd=aivcs.folder, capture_output=True, check=True
        )
        assert sums.out == printed.stdout

    def test_keep_a_names_bytes_in_a_locale_that_is_not_utf8(self, aivcs, latin1):
        sums = self.put_them_all(aivcs, env=latin1)
        printed = subprocess.run(
            ["sha256sum", *self.NAMES], cwd=aivcs.folder, capture_output=True, check=True
        )
        assert sums.out == printed.stdout

    def test_name_standard_input_by_a_dash(self, aivcs, files):
        done = aivcs.ok("blob", "put", "--sums", "-", stdin="x")
        assert done.lines == [f"{files.sha256('x')}  -"]


class TestGet:
    def test_takes_a_unique_prefix_and_either_case(self, aivcs):
        digest = aivcs.put(b"x")
        for text in (digest, digest.upper(), digest[:4], digest[:63], digest[:10].upper()):
            assert aivcs.ok("blob", "get", text).out == b"x"

    def test_refuses_a_prefix_that_fits_two_blobs(self, aivcs, same_beginning):
        one, other, short = same_beginning
        digests = sorted((aivcs.put(one), aivcs.put(other)))
        done = aivcs("blob", "get", short, code=13)
        assert all(digest in done.complaint for digest in digests)
        assert aivcs.ok("blob", "get", digests[0]).out in {one, other}

    @pytest.mark.parametrize("text", [ABSENT, "0000", ABSENT[:63]])
    def test_exits_12_for_what_is_not_there(self, aivcs, text):
        done = aivcs("blob", "get", text, code=12)
        assert text in done.complaint
        assert done.out == b""

    def test_prints_nothing_of_a_damaged_blob(self, aivcs):
        for content in (b"small", b"large" * 1_000_000):
            digest = aivcs.put(content)
            aivcs.object(digest).write_bytes(content[:-1] + b"X")
            done = aivcs("blob", "get", digest, code=14)
            assert done.out == b""
            assert digest in done.complaint

    def test_writes_to_a_new_file(self, aivcs):
        digest = aivcs.put(b"content")
        done = aivcs.ok("blob", "get", digest, "-o", "out")
        assert (done.out, done.err) == (b"", b"")
        assert (aivcs.folder / "out").read_bytes() == b"content"
        assert sorted(os.listdir(aivcs.folder)) == [".aivcs", "out"]

    def test_replaces_a_file_and_keeps_its_mode(self, aivcs):
        digest = aivcs.put(b"content")
        out = aivcs.folder / "out"
        out.write_bytes(b"something longer than the content")
        out.chmod(0o750)
        aivcs.ok("blob", "get", "--output", "out", digest)
        assert out.read_bytes() == b"content"
        assert out.stat().st_mode & 0o7777 == 0o750

    def test_writes_through_a_symbolic_link(self, aivcs):
        digest = aivcs.put(b"content")
        (aivcs.folder / "sub").mkdir()
        (aivcs.folder / "link").symlink_to("sub/target")
        for _ in range(2):  # to a target that is not there, and to one that is
            aivcs.ok("blob", "get", digest, "-o", "link")
            assert (aivcs.folder / "link").is_symlink()
            assert (aivcs.folder / "sub" / "target").read_bytes() == b"content"

    def test_leaves_a_file_as_it_was_when_the_blob_is_damaged(self, aivcs):
        digest = aivcs.put(b"content" * 500_000)
        aivcs.object(digest).write_bytes(b"content" * 499_999)
        (aivcs.folder / "out").write_bytes(b"before")
        aivcs("blob", "get", digest, "-o", "out", code=14)
        assert (aivcs.folder / "out").read_bytes() == b"before"
        assert sorted(os.listdir(aivcs.folder)) == [".aivcs", "out"]

    def test_sends_nothing_of_a_damaged_blob_to_a_device(self, aivcs):
        digest = aivcs.put(b"content" * 500_000)
        aivcs.object(digest).write_bytes(b"content" * 499_999)
        done = aivcs("blob", "get", digest, "-o", "/dev/stdout", code=14)
        assert done.out == b""

    def test_writes_to_devices(self, aivcs):
        digest = aivcs.put(b"content")
        aivcs.ok("blob", "get", digest, "-o", "/dev/null")
        assert aivcs.ok("blob", "get", digest, "-o", "/dev/stdout").out == b"content"
        assert "/dev/full" in aivcs("blob", "get", digest, "-o", "/dev/full", code=16).complaint

    def test_writes_behind_what_a_file_has_that_is_standard_output(self, aivcs):
        digest = aivcs.put(b"content\n")
        script = 'exec > log; echo before; aivcs blob get "$1" -o /dev/stdout; echo after'
        aivcs.shell(script, digest)
        assert (aivcs.folder / "log").read_bytes() == b"before\ncontent\nafter\n"

    def test_writes_to_a_fifo(self, aivcs):
        digest = aivcs.put(b"content")
        fifo = aivcs.folder / "fifo"
        os.mkfifo(fifo)
        found = []
        reader = threading.Thread(target=lambda: found.append(fifo.read_bytes()))
        reader.start()
        aivcs.ok("blob", "get", digest, "-o", "fifo")
        reader.join(10)
        assert found == [b"content"]

    def test_refuses_a_folder_as_file(self, aivcs):
        digest = aivcs.put(b"content")
        (aivcs.folder / "sub").mkdir()
        assert "folder" in aivcs("blob", "get", digest, "-o", "sub", code=2).complaint
        assert os.listdir(aivcs.folder / "sub") == []

    def test_refuses_an_empty_file_name(self, aivcs):
        digest = aivcs.put(b"content")
        assert "empty" in aivcs("blob", "get", digest, "-o", "", code=2).complaint

    @pytest.mark.parametrize("path", ["absent/out", "file/out"])
    def test_says_when_a_file_cannot_be_written(self, aivcs, path):
        digest = aivcs.put(b"content")
        (aivcs.folder / "file").write_text("x")
        assert path in aivcs("blob", "get", digest, "-o", path, code=16).complaint

    def test_takes_a_dash_for_standard_output(self, aivcs):
        assert aivcs.ok("blob", "get", aivcs.put(b"x"), "-o", "-").out == b"x"


class TestHas:
    def test_answers_by_the_exit_code_alone(self, aivcs):
        digest = aivcs.put(b"x")
        for arguments, code in (
            ((digest,), 0),
            ((digest[:8],), 0),
            ((digest, digest), 0),
            ((ABSENT,), 1),
            (("0000",), 1),
            ((digest, ABSENT), 1),
            ((ABSENT, digest), 1),
        ):
            done = aivcs("blob", "has", *arguments, code=code)
            assert (done.out, done.err) == (b"", b"")

    def test_lists_the_answers_as_json(self, aivcs):
        digest = aivcs.put(b"x")
        done = aivcs("blob", "has", digest[:8], ABSENT, "--json", code=1)
        assert done.json_lines == [
            {"digest": digest, "present": True},
            {"digest": ABSENT, "present": False},
        ]

    @pytest.mark.parametrize("text", ["", "xyz", "abc", "zzzz", "0" * 65])
    def test_does_not_take_a_mistake_for_a_no(self, aivcs, text):
        digest = aivcs.put(b"x")
        assert aivcs("blob", "has", text, code=2).complaint
        assert aivcs("blob", "has", ABSENT, text, code=2).complaint
        assert aivcs("blob", "has", digest, text, code=2).complaint

    def test_needs_a_digest(self, aivcs):
        assert "DIGEST" in aivcs("blob", "has", code=2).complaint


class TestRemove:
    def test_removes_what_nothing_refers_to_and_prints_nothing(self, aivcs):
        one, other, kept = aivcs.put(b"1"), aivcs.put(b"2"), aivcs.put(b"3")
        done = aivcs.ok("blob", "rm", one, other.upper())
        assert (done.out, done.err) == (b"", b"")
        assert aivcs.ok("blob", "ls").lines == [kept]

    def test_takes_whole_digests_only(self, aivcs, unchanged):
        digest = aivcs.put(b"x")
        with unchanged:
            for text in ("", digest[:63], digest[:8], digest + "0", "g" * 64):
                for force in ((), ("--force",)):
                    assert aivcs("blob", "rm", text, *force, code=2).complaint

    def test_removes_none_when_one_is_not_there(self, aivcs, unchanged):
        digest = aivcs.put(b"x")
        with unchanged:
            assert ABSENT in aivcs("blob", "rm", digest, ABSENT, code=12).complaint

    def test_ignores_what_is_not_there_when_forced(self, aivcs):
        digest = aivcs.put(b"x")
        aivcs.ok("blob", "rm", "--force", ABSENT, digest)
        assert aivcs.ok("blob", "ls").out == b""

    def refer_from_a_release(self, aivcs, digest):
        aivcs.ok("release", "promote", "bot", digest)
        aivcs.ok("release", "promote", "bot", aivcs.put(b"newer"))
        return "release bot@1"

    def refer_from_a_spec(self, aivcs, digest):
        return aivcs.ok("run", "start", "--agent", "a", "--spec", digest).text

    def refer_from_a_final_state(self, aivcs, digest):
        run = aivcs.begin()
        aivcs.ok("run", "finish", run, "--state", digest)
        return run

    def refer_from_a_payload(self, aivcs, digest):
        run = aivcs.begin()
        aivcs.ok("run", "log", run, "k", f'{{"deep":[{{"in":"{digest}"}}]}}')
        return f"event 1 of run {run}"

    def refer_from_a_tag(self, aivcs, digest):
        return aivcs.begin("bot", b"a spec\n", "--tag", f"prompt={digest.upper()}")

    def refer_from_a_manifest(self, aivcs, digest):
        manifest = aivcs.put(f' {{"prompt": "{digest}"}}\n')
        aivcs.ok("release", "promote", "bot", manifest)
        return f"blob {manifest}"

    def refer_from_a_manifest_of_a_manifest(self, aivcs, digest):
        manifest = aivcs.put(f'["{digest}"]')
        above = aivcs.put(f'{{"{manifest}": 1}}')
        run = aivcs.begin()
        aivcs.ok("run", "log", run, "k", f"manifest={above}")
        return f"blob {manifest}"

    @pytest.mark.parametrize(
        "refer",
        [name for name in dict.fromkeys(locals()) if name.startswith("refer_")],
    )
    def test_refuses_what_is_referred_to_and_says_by_what(self, aivcs, unchanged, refer):
        digest, other = aivcs.put(b"wanted"), aivcs.put(b"unwanted")
        source = getattr(self, refer)(aivcs, digest)
        with unchanged:
            complaint = aivcs("blob", "rm", other, digest, code=15).complaint
        assert digest in complaint
        assert source in complaint
        aivcs.ok("blob", "rm", "--force", digest)
        assert aivcs("blob", "has", digest).code == 1

    def test_does_not_follow_what_a_blob_says_that_nothing_refers_to(self, aivcs):
        digest = aivcs.put(b"wanted by nobody")
        aivcs.put(f'{{"prompt": "{digest}"}}')
        aivcs.ok("blob", "rm", digest)

    def test_refuses_when_damage_hides_what_is_referred_to(self, aivcs, unchanged):
        digest = aivcs.put(b"x")
        run = aivcs.begin()
        log = aivcs.run_log(run)
        log.write_bytes(log.read_bytes().replace(b'"bot"', b'"BOT"'))
        with unchanged:
            assert run in aivcs("blob", "rm", digest, code=14).complaint


class TestList:
    def test_lists_whole_digests_in_order(self, aivcs):
        digests = sorted(aivcs.put(b"%d" % number) for number in range(5))
        assert aivcs.ok("blob", "ls").lines == digests
        assert aivcs.ok("blob", "ls", "--json").json_lines == [{"digest": d} for d in digests]

    def test_lists_what_begins_with_a_prefix_of_any_length(self, aivcs):
        digests = sorted(aivcs.put(b"%d" % number) for number in range(40))
        wanted = digests[7]
        for length in (0, 1, 2, 3, 10, 64):
            prefix = wanted[:length]
            expected = [digest for digest in digests if digest.startswith(prefix)]
            assert aivcs.ok("blob", "ls", prefix).lines == expected
            assert aivcs.ok("blob", "ls", prefix.upper()).lines == expected

    def test_prints_nothing_for_an_empty_store(self, aivcs):
        assert aivcs.ok("blob", "ls").out == b""

    def test_refuses_what_begins_no_digest(self, aivcs):
        assert aivcs("blob", "ls", "xyz", code=2).complaint

    def test_ignores_a_stray_file(self, aivcs):
        digest = aivcs.put(b"x")
        (aivcs.object(digest).parent / "stray").write_text("x")
        assert aivcs.ok("blob", "ls").lines == [digest]


def test_an_object_is_what_sha256sum_says_it_is(aivcs):
    for number in range(3):
        aivcs.put(b"content %d" % number)
    done = aivcs.shell(
        "cd .aivcs/objects && for f in */*; do "
        'test "$(sha256sum < $f | cut -c1-64)" = "${f%/*}${f#*/}" && echo same; done'
    )
    assert done.lines == ["same"] * 3


@pytest.mark.skipif(shutil.which("find") is None, reason="there is no find")
def test_the_way_that_the_message_about_a_folder_shows_works(aivcs, files):
    (aivcs.folder / "sub").mkdir()
    (aivcs.folder / "sub" / "one").write_text("1")
    (aivcs.folder / "sub" / "t\nwo").write_text("2")
    done = aivcs.shell("find sub -type f -print0 | aivcs blob put -z --stdin-paths")
    assert sorted(done.lines) == sorted([files.sha256("1"), files.sha256("2")])
