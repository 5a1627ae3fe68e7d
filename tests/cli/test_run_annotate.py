"""`aivcs run annotate`: remarks on runs, where they are shown, and what proves them."""

import json
import shutil
import subprocess

import pytest


@pytest.fixture
def run(aivcs):
    run = aivcs.begin("bot", b"a spec\n", "--tag", "env=ci", "--tag", "kept=1")
    aivcs.ok("run", "log", run, "tool_called", "tool_name=search")
    aivcs.ok("run", "finish", run, "--exit-code", "0")
    return run


def annotate(aivcs, run, *words, by="alice"):
    return aivcs.ok("run", "annotate", run, "--by", by, *words).text


def note(aivcs, run, digest):
    return aivcs.store / "notes" / run[:2] / run / digest


class TestAnnotating:
    def test_a_run_that_has_ended_is_remarked_on_and_its_log_stays(self, aivcs, run, files):
        log = aivcs.run_log(run).read_bytes()
        digest = annotate(aivcs, run, "-m", "looks fine", "--tag", "reviewed=yes")
        data = note(aivcs, run, digest).read_bytes()
        assert files.sha256(data) == digest
        value = json.loads(data)
        assert (value["kind"], value["by"]) == ("note", "alice")
        assert value["payload"] == {"text": "looks fine", "tags": {"reviewed": "yes"}}
        assert data.endswith(b"}\n")
        assert aivcs.run_log(run).read_bytes() == log

    def test_a_kind_has_a_payload_as_an_event_has(self, aivcs, run):
        digest = annotate(aivcs, run, "evaluation", "name=q", "score:=0.9", "-m", "by a judge")
        value = json.loads(note(aivcs, run, digest).read_bytes())
        assert value["kind"] == "evaluation"
        assert value["payload"] == {"name": "q", "score": 0.9, "text": "by a judge"}
        digest = annotate(aivcs, run, "list", "[1,2]")
        assert json.loads(note(aivcs, run, digest).read_bytes())["payload"] == [1, 2]

    @pytest.mark.parametrize(
        ("words", "says", "code"),
        [
            ((), "nothing to say", 2),
            (("",), "KIND is empty", 2),
            (("-m", " "), "is empty", 2),
            (("--tag", "x"), "KEY=TEXT", 2),
            (("--tag", "a=1", "--tag", "a=2"), "given twice", 2),
            (("k", "[1]", "-m", "x"), "must be an object", 2),
            (("k", "text=x", "-m", "x"), "must be an object", 2),
            (("k", "n:=9007199254740993"), "2^53", 2),
            (("-m", "x", "--by", ""), "empty", 2),
        ],
    )
    def test_what_cannot_be_is_refused(self, aivcs, run, unchanged, words, says, code):
        with unchanged:
            assert says in aivcs("run", "annotate", run, *words, code=code).complaint

    def test_an_unknown_run_is_refused(self, aivcs, run, unchanged):
        with unchanged:
            aivcs("run", "annotate", "0" * 8, "-m", "x", code=12)

    def test_a_signature_is_checked_by_ssh_keygen_alone(self, aivcs, run, files):
        if shutil.which("ssh-keygen") is None:
            pytest.skip("there is no ssh-keygen")
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", aivcs.home / "key"], check=True
        )
        digest = annotate(aivcs, run, "-m", "mine", "--signing-key", str(aivcs.home / "key"))
        value = json.loads(note(aivcs, run, digest).read_bytes())
        (aivcs.home / "sig").write_text(value.pop("signature"))
        line = json.dumps(value, separators=(",", ":"), sort_keys=True) + "\n"
        public = (aivcs.home / "key.pub").read_text()
        (aivcs.home / "allowed").write_text(f"alice {public}")
        subprocess.run(
            ["ssh-keygen", "-Y", "verify", "-f", aivcs.home / "allowed", "-I", "alice",
             "-n", "aivcs-annotation@v1", "-s", aivcs.home / "sig"],
            input=files.sha256(line).encode(), check=True, capture_output=True,
        )  # fmt: skip


class TestShowing:
    @pytest.fixture(autouse=True)
    def annotated(self, aivcs, run):
        self.digests = [
            annotate(aivcs, run, "-m", "first", "--tag", "reviewed=no", "--tag", "env=desk"),
            annotate(aivcs, run, "evaluation", "name=q", "score:=0.5", by="judge"),
            annotate(aivcs, run, "--tag", "reviewed=yes"),
        ]

    def test_show_has_them_and_the_merged_tags(self, aivcs, run):
        told = aivcs.record(run)
        assert told["metadata"]["tags"] == {"env": "ci", "kept": "1"}
        assert told["tags"] == {"env": "desk", "kept": "1", "reviewed": "yes"}
        assert [a["digest"] for a in told["annotations"]] == self.digests
        assert [a["by"] for a in told["annotations"]] == ["alice", "judge", "alice"]
        lines = aivcs.ok("run", "show", run).lines
        assert [line.split("\t")[0] for line in lines].count("annotation") == 3
        page = aivcs.ok("--table", "run", "show", run).text
        assert "evaluation name=q score=0.5 (judge, " in page
        assert "first env=desk reviewed=no (alice, " in page

    def test_list_finds_runs_by_merged_tags(self, aivcs, run):
        other = aivcs.begin("bot", b"a spec\n", "--tag", "env=ci")

        def found(*words):
            return [r["run_id"] for r in aivcs.ok("run", "list", *words, "--json").json_lines]

        assert found("--tag", "reviewed=yes") == [run]
        assert found("--tag", "reviewed=no") == []
        assert found("--tag", "env=ci") == [other]
        assert found("--tag", "env=ci", "--tag", "env=desk") == [other, run]
        assert found("--tag", "env=ci", "--tag", "env=desk", "-n", "1") == [other]
        assert found("--tag", "kept=1", "--tag", "reviewed=yes", "--agent", "bot") == [run]
        assert "reviewed=yes" in aivcs.ok("--table", "run", "list", env={"COLUMNS": "200"}).text

    def test_a_run_without_any_is_shown_as_ever(self, aivcs, run):
        other = aivcs.begin()
        assert not {"annotations", "tags"} & aivcs.record(other).keys()

    def test_diff_has_those_of_both(self, aivcs, run):
        other = aivcs.begin()
        told = aivcs.ok("run", "diff", run, other, "--json").json
        assert len(told["a"]["annotations"]) == 3
        assert "annotations" not in told["b"]
        lines = aivcs.ok("run", "diff", run, other).lines
        assert 'annotation\tevaluation {"name":"q","score":0.5}\t-' in lines

    def test_every_export_has_them(self, aivcs, run):
        lines = aivcs.ok("run", "export", run, "--format", "jsonl").json_lines
        assert [line["type"] for line in lines[-3:]] == ["annotation"] * 3
        spans = [
            span
            for line in aivcs.ok("run", "export", run, "--format", "otlp").json_lines
            for span in line["resourceSpans"][0]["scopeSpans"][0]["spans"]
        ]
        names = ["aivcs.annotation", "gen_ai.evaluation.result", "aivcs.annotation"]
        assert [event["name"] for event in spans[-1]["events"]] == names
        atif = aivcs.ok("run", "export", run, "--format", "atif").json
        assert [a["digest"] for a in atif["extra"]["aivcs"]["annotations"]] == self.digests
        assert "**`evaluation`** by `judge`" in aivcs.ok(
            "run", "export", run, "--format", "markdown"
        ).text  # fmt: skip


class TestProof:
    def test_verify_finds_a_changed_one_and_one_in_the_wrong_place(self, aivcs, run):
        digest = annotate(aivcs, run, "-m", "fine")
        assert aivcs.ok("verify").out == b""
        path = note(aivcs, run, digest)
        data = path.read_bytes()
        path.chmod(0o644)
        path.write_bytes(data.replace(b"fine", b"poor"))
        (finding,) = aivcs("verify", "--json", code=14).json_lines
        assert finding["where"] == f"notes/{run[:2]}/{run}/{digest}"
        path.write_bytes(data)
        other = aivcs.begin()
        wrong = note(aivcs, other, digest)
        wrong.parent.mkdir(parents=True)
        path.rename(wrong)
        assert "in the wrong place" in aivcs("run", "verify", code=14).text
        wrong.rename(path.with_name("x"))
        assert "not the name of an annotation" in aivcs("verify", code=14).text

    def test_one_of_a_run_that_is_gone_is_a_notice(self, aivcs, run):
        annotate(aivcs, run, "-m", "fine")
        aivcs.run_log(run).unlink()
        findings = aivcs.ok("run", "verify", "--json").json_lines
        assert [f["severity"] for f in findings] == ["notice"]

    def test_a_head_names_them_so_that_one_that_is_missing_is_noticed(self, aivcs, run):
        before = aivcs.ok("head").text
        assert "records" not in json.loads(aivcs.ok("blob", "get", before).text)
        digest = annotate(aivcs, run, "-m", "fine")
        head = aivcs.ok("head").text
        manifest = json.loads(aivcs.ok("blob", "get", head).text)
        assert manifest["records"] == [f"notes/{run[:2]}/{run}/{digest}"]
        annotate(aivcs, run, "-m", "later")
        aivcs.ok("verify", "--head", head, "--head", before)
        note(aivcs, run, digest).unlink()
        done = aivcs("verify", "--head", head, code=14)
        assert "an annotation that was there when the head was taken is missing" in done.text
        aivcs.ok("verify", "--head", before)

    def test_a_manifest_that_somebody_else_wrote_is_read_too(self, aivcs, run):
        digest = annotate(aivcs, run, "-m", "fine")
        manifest = json.loads(aivcs.ok("blob", "get", aivcs.ok("head").text).text)
        mine = aivcs.put(json.dumps(manifest, indent=1))
        aivcs.ok("verify", "--head", mine)
        manifest["records"] = ["notes/../x"]
        assert "is not a record" in aivcs(
            "verify", "--head", aivcs.put(json.dumps(manifest)), code=2
        ).complaint  # fmt: skip
        note(aivcs, run, digest).unlink()
        aivcs("verify", "--head", mine, code=14)

    def test_gc_keeps_what_one_refers_to(self, aivcs, run):
        kept, spare = aivcs.put(b"kept"), aivcs.put(b"spare")
        annotate(aivcs, run, "report", f'{{"$blob":"{kept}"}}')
        aivcs.ok("gc", "--grace", "0s")
        aivcs.ok("blob", "has", kept)
        assert aivcs("blob", "has", spare).code == 1
        assert "is referred to by the annotation" in aivcs("blob", "rm", kept, code=15).complaint


def test_python_annotates_too(aivcs, run):
    from aivcs.api import Repository

    repo = Repository.open(aivcs.store)
    digest = repo.annotate(run, "evaluation", {"score": 1}, by="judge", tags={"a": "b"})
    (stored,) = repo.annotations.of_run(run)
    assert (stored.digest, stored.value.payload) == (digest, {"score": 1, "tags": {"a": "b"}})
    assert aivcs.record(run)["tags"]["a"] == "b"


def test_an_annotation_as_large_as_the_store_allows_is_exported(aivcs):
    from aivcs.api import Repository

    aivcs.ok("config", "set", "limits.event_bytes", "3000000")
    run = aivcs.begin()
    Repository.open(aivcs.store).annotate(run, "big", {"a": "x" * 2_000_000}, by="a")
    line = aivcs.ok("run", "export", run, "--format", "jsonl").lines[-1]
    assert len(line) > 2_000_000
