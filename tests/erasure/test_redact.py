"""`aivcs run redact`: the content of events is gone, and all that was proved still is."""

import hashlib
import json
import re
import subprocess

import pytest
from erasure.conftest import SECRET, holders, quarantine, record, records

from aivcs.api import Repository
from aivcs.errors import ConflictError


def redact(aivcs, run, *words, reason="a token leaked", code=0):
    return aivcs("run", "redact", run, *words, "--reason", reason, "--by", "ada", code=code)


def heads(aivcs, run):
    return [json.loads(line)["hash"] for line in aivcs.run_log(run).read_text().splitlines()]


class TestRedacting:
    def test_a_secret_is_gone_from_every_file_by_one_command(self, aivcs, secret_run):
        assert len(holders(aivcs.store)) == 2
        before = heads(aivcs, secret_run)
        redact(aivcs, secret_run, "--match", SECRET, "--with-blobs")
        assert holders(aivcs.store) == []
        assert heads(aivcs, secret_run) == before
        assert [record["what"] for record in sorted(records(aivcs), key=str)].count("event") == 3

    def test_events_say_in_words_and_in_json_that_they_were_erased(
        self, aivcs, secret_run, terminal
    ):
        nothing = aivcs.begin()
        aivcs.ok("run", "log", nothing, "output", "null")
        redact(aivcs, secret_run, "4", "6")
        lines = [line.split("\t") for line in aivcs.ok("run", "events", secret_run).lines]
        assert [line[3][:24] for line in lines if "erased" in line[3]] == [
            "erased on purpose by ada"
        ] * 2
        assert lines[3][3].endswith(": a token leaked")
        event = aivcs.events(secret_run)[3]
        assert (event["payload"], event["redacted"]) == (None, True)
        assert (event["erasure"]["by"], event["erasure"]["reason"]) == ("ada", "a token leaked")
        assert (aivcs.store / "erasures" / event["erasure"]["digest"]).exists()
        assert aivcs.ok("run", "events", nothing).lines[0].endswith("\tnull")
        assert "redacted" not in aivcs.events(nothing)[0]
        shown = terminal("run", "show", secret_run, columns=200, NO_COLOR="1")
        assert shown.count("erased on purpose by ada at") == 2
        assert "null" not in shown
        (aivcs.store / "erasures" / event["erasure"]["digest"]).unlink()
        assert "no record says by whom" in aivcs.ok("run", "events", secret_run).text

    @pytest.mark.parametrize("others", [False, True])
    def test_no_index_can_find_it_and_none_is_lost_that_does_not_know_it(
        self, aivcs, secret_run, others
    ):
        aivcs.ok("config", "set", "search.index", "always")
        aivcs.ok("run", "search", SECRET)
        index = aivcs.store / "texts.sqlite"
        assert index.exists()
        if others:
            secret_run = record(aivcs)  # the index was made before it
        redact(aivcs, secret_run, "--match", SECRET)
        assert index.exists() == others
        found = aivcs("run", "search", SECRET).text
        assert secret_run not in found

    def test_each_record_is_named_by_its_digest_and_agrees_with_its_line(self, aivcs, secret_run):
        lines = aivcs.run_log(secret_run).read_bytes().splitlines()
        redact(aivcs, secret_run, "4")
        (path,) = (aivcs.store / "erasures").iterdir()
        assert hashlib.sha256(path.read_bytes()).hexdigest() == path.name
        told = json.loads(path.read_bytes())
        now = aivcs.run_log(secret_run).read_bytes().splitlines()
        stub = now[4]
        assert re.fullmatch(
            rb'\{"type":"redacted","seq":4,"kind":"output","timestamp":"[^"]{27}","hash":"%b"\}'
            % json.loads(lines[4])["hash"].encode(),
            stub,
        )
        assert told.pop("created_at")[-1] == "Z"
        assert told == {
            "type": "erasure", "format": 1, "what": "event", "log": f"run/{secret_run}",
            "line": 5, "seq": 4, "before": json.loads(lines[3])["hash"],
            "erased": json.loads(lines[4])["hash"], "stub": hashlib.sha256(stub).hexdigest(),
            "by": "ada", "reason": "a token leaked",
        }  # fmt: skip
        assert now[:4] + now[5:] == lines[:4] + lines[5:]

    def test_readers_get_no_payload_and_are_told(self, aivcs, secret_run):
        redact(aivcs, secret_run, "4")
        events = aivcs.ok("run", "events", secret_run, "--json").text.splitlines()
        told = json.loads(events[3])
        assert (told["seq"], told["payload"], told["redacted"]) == (4, None, True)
        assert "redacted" not in json.loads(events[4])
        for words in (["run", "show", secret_run], ["run", "search", "nothing"], ["run", "stats"]):
            aivcs.ok(*words)
        for name in ("atif", "otlp", "markdown", "jsonl"):
            exported = aivcs.ok("run", "export", secret_run, "--format", name).text
            assert exported.count(SECRET) == 2, name

    def test_what_was_signed_stays_valid_and_names_who_and_why(self, aivcs, tmp_path):
        key, home = tmp_path / "key", aivcs.home
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
        public = " ".join(key.with_suffix(".pub").read_text().split()[:2])
        (home / "allowed").write_text(f"ada@example.com {public}\n")
        aivcs.ok("config", "set", "--user", "signing.key", str(key))
        aivcs.ok("config", "set", "--user", "signing.allowed_signers", str(home / "allowed"))
        run = record(aivcs)
        spec = json.loads(aivcs.run_log(run).read_text().splitlines()[0])["spec_digest"]
        aivcs.ok("release", "promote", "bot", spec, "--evidence", run, "--by", "ada", "--sign")
        head = aivcs.ok("head").text
        redact(aivcs, run, "--match", SECRET, "--with-blobs")
        assert holders(aivcs.store) == []
        proof = aivcs.ok("release", "verify", "bot").text
        assert "signature\tok\tby ada@example.com" in proof
        assert "has line 8 as it was" in proof
        told = aivcs.ok("verify", "--head", head)
        assert told.text.count("was erased on purpose by ada at") == 4  # three events, one blob
        assert "a token leaked" in told.text
        log = (aivcs.store / "releases" / "bot.jsonl").read_text().splitlines()
        (tmp_path / "sig").write_text(json.loads(log[1])["signature"])
        subprocess.run(
            ["ssh-keygen", "-Y", "verify", "-f", home / "allowed", "-I", "ada@example.com",
             "-n", "aivcs-release@v1", "-s", tmp_path / "sig"],
            input=json.loads(log[0])["hash"], text=True, check=True, capture_output=True,
        )  # fmt: skip

    def test_a_run_that_goes_on_gets_an_event_first_and_goes_on(self, aivcs):
        run = record(aivcs, is_over=False)
        redact(aivcs, run, "6")  # the last one
        aivcs.ok("run", "log", run, "output", "text=more")
        aivcs.ok("run", "finish", run)
        events = [json.loads(e) for e in aivcs.ok("run", "events", run, "--json").text.splitlines()]
        assert [event["seq"] for event in events] == list(range(1, 9))
        assert (events[6]["kind"], events[6]["payload"]["seqs"]) == ("redaction", [6])
        assert "no damage found" in aivcs.ok("verify").err.decode()

    def test_a_retry_of_an_erased_event_brings_nothing_back(self, aivcs):
        run = aivcs.begin("bot", b"a spec\n")
        words = ("run", "log", "--seq", "1", run, "said", f"text={SECRET}")
        aivcs.ok(*words)
        redact(aivcs, run, "1")
        aivcs.ok(*words)
        assert holders(aivcs.store) == []
        assert aivcs("run", "log", "--seq", "1", run, "other", "text=x", code=15)

    def test_a_masked_copy_is_kept_only_if_it_is_asked_for(self, aivcs, secret_run):
        redact(aivcs, secret_run, "4", "6", "--match", SECRET, "--keep-masked")
        redact(aivcs, secret_run, "1", "--pointer", "/cmd", "--keep-masked")
        shown = aivcs.ok("run", "show", secret_run, "--json").text
        notes = [n["payload"] for n in json.loads(shown)["annotations"]]
        assert {note["seq"]: note["payload"] for note in notes} == {
            1: {"cmd": "[redacted]"},
            4: {"lines": [{"text": "[redacted]"}]},
            6: {"[redacted]": 1, "kept": "this"},
        }

    def test_an_annotation_with_the_text_goes_too(self, aivcs, secret_run):
        aivcs.ok("run", "annotate", secret_run, "-m", f"it has {SECRET}")
        redact(aivcs, secret_run, "--match", SECRET, "--with-blobs")
        assert holders(aivcs.store) == []
        assert sorted(record["what"] for record in records(aivcs)) == [
            "annotation", "blob", "event", "event", "event",
        ]  # fmt: skip
        assert "no damage found" in aivcs.ok("verify").err.decode()

    def test_where_the_text_stays_is_said(self, aivcs, secret_run):
        said = redact(aivcs, secret_run, "1", "--match", SECRET).err.decode()
        assert "event 4 has the text, too" in said
        assert "which event 3 names, has the text, too" in said
        tagged = aivcs.begin("bot", b"a spec\n", "--tag", f"token={SECRET}")
        aivcs.ok("run", "log", tagged, "said", f"text={SECRET}")
        assert f"aivcs run rm {tagged}" in redact(aivcs, tagged, "--match", SECRET).err.decode()

    @pytest.mark.parametrize(
        ("words", "reason", "code", "says"),
        [
            ((), "r", 2, "say what to erase"),
            (("--match", ""), "r", 2, "is empty"),
            (("4", "--match", SECRET), f"had {SECRET}", 2, "has the text in it"),
            (("4",), " ", 2, "the reason is empty"),
            (("four",), "r", 2, "not the seq"),
            (("99",), "r", 12, "has no event 99"),
            (("2", "--match", SECRET), "r", 12, "does not have the text"),
            (("--match", "not there"), "r", 12, "no event"),
            (("--pointer", "/nothing"), "r", 12, "no event"),
            (("4", "--keep-masked"), "r", 2, "--keep-masked needs"),
        ],
    )
    def test_what_makes_no_sense_changes_nothing(
        self, aivcs, secret_run, words, reason, code, says
    ):
        before = aivcs.run_log(secret_run).read_bytes()
        assert says in redact(aivcs, secret_run, *words, reason=reason, code=code).err.decode()
        assert aivcs.run_log(secret_run).read_bytes() == before
        assert not (aivcs.store / "erasures").exists()

    def test_again_is_nothing_to_do(self, aivcs, secret_run):
        redact(aivcs, secret_run, "4")
        before = aivcs.run_log(secret_run).read_bytes()
        assert "nothing to do" in redact(aivcs, secret_run, "4").err.decode()
        assert aivcs.run_log(secret_run).read_bytes() == before

    def test_copies_in_quarantine_temporaries_and_index_go_too(self, aivcs, secret_run):
        log = aivcs.run_log(secret_run)
        aivcs.ok("run", "list")
        for name in (f"{log.name}.500.0123456789ab", f"{log.name}.0123456789ab"):
            place = aivcs.store / "damaged" / f"runs-{secret_run[:2]}-{name}"
            place.parent.mkdir(exist_ok=True)
            place.write_text(SECRET)
        (aivcs.store / "damaged" / "runs-zz-other.jsonl.5.0123456789ab").write_text("other")
        (aivcs.store / "tmp" / "999999999-0123456789ab").write_text(SECRET)
        redact(aivcs, secret_run, "--match", SECRET, "--with-blobs")
        assert holders(aivcs.store) == []
        assert holders(aivcs.store, "other") == ["damaged/runs-zz-other.jsonl.5.0123456789ab"]

    def test_a_damaged_blob_that_was_put_aside_goes_too(self, aivcs, secret_run):
        digest = quarantine(aivcs)
        said = redact(aivcs, secret_run, "--match", SECRET).err.decode()
        assert f"blob {digest}, which event 3 names, has the text, too" in said
        redact(aivcs, secret_run, "--match", SECRET, "--with-blobs")
        assert holders(aivcs.store) == []
        assert "no damage found" in aivcs.ok("verify").err.decode()

    def test_a_store_that_cannot_erase_says_so_before_anything_is_written(
        self, aivcs, secret_run, monkeypatch
    ):
        from aivcs.backends.fs.logs import FileLogDriver
        from aivcs.commands.run.redact import redact as command

        monkeypatch.setattr(FileLogDriver, "erases", False)
        with pytest.raises(ConflictError, match="nothing can be erased yet"):
            command(Repository.open(aivcs.store), secret_run, [4], by="ada", reason="r")
        assert not (aivcs.store / "erasures").exists()


class TestNotCarriedOut:
    """A record whose content is still there is completed by whoever comes next."""

    @pytest.fixture
    def unfinished(self, aivcs, secret_run):
        log = aivcs.run_log(secret_run)
        before = log.read_bytes()
        redact(aivcs, secret_run, "--match", SECRET)
        log.write_bytes(before)
        return secret_run

    def test_verify_tells_and_repairs(self, aivcs, unfinished):
        told = aivcs.ok("verify").text
        assert told.count("but it is still here") == 3
        assert len(holders(aivcs.store / "runs")) == 1
        aivcs.ok("verify", "--repair")
        assert holders(aivcs.store / "runs") == []
        assert "still here" not in aivcs.ok("verify").text

    def test_gc_completes_it(self, aivcs, unfinished):
        aivcs.ok("gc", "--dry-run")
        assert len(holders(aivcs.store / "runs")) == 1
        aivcs.ok("gc")
        assert holders(aivcs.store / "runs") == []

    def test_redact_completes_it(self, aivcs, unfinished):
        redact(aivcs, unfinished, "--match", SECRET)
        assert holders(aivcs.store / "runs") == []

    @pytest.mark.parametrize("of", ["run redact", "run rm", "blob rm"])
    def test_an_erasure_of_something_else_completes_it(self, aivcs, unfinished, of):
        other = aivcs.put(b"other\n")
        run = aivcs.begin("bot", b"a spec\n")
        aivcs.ok("run", "log", run, "said", "text=x")
        aivcs.ok("run", "finish", run)
        operands = {"run redact": [run, "1"], "run rm": [run], "blob rm": [other]}[of]
        aivcs.ok(*of.split(), *operands, "--reason", "r", "--by", "ada")
        assert holders(aivcs.store / "runs") == []

    def test_a_blob_that_no_event_names_any_more_goes_by_the_same_command(self, aivcs):
        run = aivcs.begin("bot", b"a spec\n")
        (aivcs.folder / "file").write_text(SECRET)
        aivcs.ok("run", "log", "--blob", "file=file", run, "output", f"text={SECRET}")
        (aivcs.folder / "file").unlink()
        (path,) = [path for path in aivcs.store.glob("objects/*/*") if SECRET in path.read_text()]
        words = ("run", "redact", run, "--match", SECRET, "--with-blobs", "--reason", "r")
        aivcs.ok(*words)
        path.parent.mkdir(exist_ok=True)
        path.write_text(SECRET)
        aivcs(*words, code=12)  # put again, and wanted
        assert path.exists()
        mark = aivcs.store / "erasing" / hashlib.sha256(SECRET.encode()).hexdigest()
        mark.parent.mkdir(exist_ok=True)
        mark.touch()
        aivcs(*words, code=12)  # begun, and not carried out
        assert not mark.exists()
        assert holders(aivcs.store) == []


def test_python_erases_as_the_command_does(aivcs, secret_run):
    repo = Repository.open(aivcs.store)
    (digest,) = repo.redact(secret_run, [4], by="ada", reason="r")
    assert (aivcs.store / "erasures" / digest).exists()
    assert repo.redact(secret_run, match=SECRET, with_blobs=True, by="ada", reason="r")
    assert holders(aivcs.store) == []
    assert [event.redacted for event in repo.runs.get_events(secret_run)].count(True) == 3
