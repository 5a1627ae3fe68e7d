"""What each role may do in a store in PostgreSQL: through the contracts, and past them by psql."""

import os
import re
import subprocess
import sys
from types import SimpleNamespace

import pytest

from aivcs.api import Repository
from aivcs.codec.sha256 import hex_digest
from aivcs.commands.blob.rm import erase as erase_blobs
from aivcs.commands.bundle.create import create
from aivcs.commands.erasing import ErasureRequest, complete
from aivcs.commands.run.redact import redact
from aivcs.commands.run.rm import rm
from aivcs.commands.store.head import take, verify
from aivcs.errors import BackendError, IntegrityError, UsageError
from aivcs.log import chain
from aivcs.log.redaction import redacted_line
from aivcs.log.run_filter import RunFilter
from aivcs.log.statement import encode_statement
from aivcs.model.annotation import Annotation
from aivcs.model.erasure import ErasedBlob
from aivcs.model.release import ReleaseMetadata
from aivcs.model.run import RunEvent, RunMetadata, RunSummary
from aivcs.store.erasures import compose

DONE = RunSummary(success=True)
NOT_ALLOWED = r"permission denied|may not"
BY = ReleaseMetadata(promoted_by="ann")


@pytest.fixture
def owner(server, database):
    repo = Repository.open(server.url(database))
    yield repo
    repo.store.close()


@pytest.fixture
def login(server, database, owner):
    """Makes a user with the rights of a role, by the SQL of `grants`; opens the store as that."""
    made: list[SimpleNamespace] = []

    def login(role, names=None):
        sql = owner.store.grants(role, names)
        assert not server.psql(sql, database=database).stderr
        user, group = f"u{len(made)}_{database}", sql.split('CREATE ROLE "')[1].split('"')[0]
        server.sql(f'CREATE ROLE {user} LOGIN; GRANT "{group}" TO {user}')
        repo = Repository.open(server.url(database, user=user))
        made.append(SimpleNamespace(repo=repo, user=user, group=group))
        return made[-1]

    yield login
    for each in made:
        each.repo.store.close()
    for name in [each.user for each in made] + [*{each.group for each in made}]:
        server.sql(f'DROP OWNED BY "{name}"; DROP ROLE "{name}"', database=database)


@pytest.fixture
def psql(server, database):
    """Executes SQL as a user; returns what the server said of it."""
    return lambda user, sql: server.psql(sql, database=database, user=user).stderr


@pytest.fixture
def command(server, database, tmp_path):
    """Runs the command as a user of the database; returns its exit code and what it complained."""

    def command(login, *words, store=None):
        store = store or server.url(database, user=login.user)
        done = subprocess.run(
            [sys.executable, "-m", "aivcs", "--store", store, *words],
            env={**os.environ, "HOME": str(tmp_path)}, capture_output=True, check=False, text=True,
        )  # fmt: skip
        return done.returncode, done.stderr

    return command


@pytest.fixture
def spec(owner):
    return owner.blobs.put(b"a spec")


def test_a_reader_reads_and_changes_nothing(login, owner, spec):
    run = owner.start_run(spec, agent_name="bot").run_id
    owner.runs.append_event(run, RunEvent("a", {}))
    owner.promote("bot", spec, by="ann")
    reader = login("reader").repo
    assert reader.blobs.get(spec) == b"a spec"
    assert [event.kind for event in reader.runs.get_events(run)] == ["a"]
    assert reader.releases.current("bot").spec_digest == spec
    assert [record.run_id for record in reader.runs.list_runs()] == [run]
    assert not list(reader.store.inspect(frozenset({"blobs", "runs", "releases"}), lambda *_: None))
    with reader.hold():
        assert reader.blobs.contains(spec)
    for refused in (
        lambda: reader.blobs.put(b"more"),
        lambda: reader.runs.append_event(run, RunEvent("b", {})),
        lambda: reader.runs.create_run(spec, RunMetadata("bot")),
        lambda: reader.releases.promote("bot", spec, BY),
        lambda: reader.pin(spec),
        lambda: reader.edit_config(lambda _: b"[core]\n"),
    ):
        with pytest.raises(BackendError, match=NOT_ALLOWED):
            refused()


def test_a_reader_takes_a_head_that_only_who_may_write_keeps(login, owner, spec):
    owner.promote("bot", spec, by="ann")
    taken = take(login("reader").repo)
    assert re.search(NOT_ALLOWED, str(taken.refusal))
    kept = take(login("recorder").repo)
    assert (kept.digest, kept.refusal) == (taken.digest, None)
    assert not list(verify(owner, [taken.digest]))


def test_a_recorder_records_its_own_runs_and_nothing_else(login, owner, spec):
    recorder, other = login("recorder").repo, login("recorder").repo
    run = recorder.start_run(recorder.blobs.put(b"own spec"), agent_name="bot").run_id
    recorder.runs.append_event(run, RunEvent("a", {}))
    recorder.runs.append_event(run, RunEvent("b", {}, seq=7))
    with recorder.store.logs.look(f"run/{run}") as view:
        stub = redacted_line(list(view.forth())[1][:-1])
    foreign = other.start_run(spec, agent_name="bot").run_id
    ours = owner.start_run(spec, agent_name="bot").run_id
    for refused in (
        lambda: recorder.runs.append_event(foreign, RunEvent("x", {})),
        lambda: recorder.runs.append_event(foreign, RunEvent("x", {}, seq=5)),
        lambda: recorder.runs.complete_run(ours, DONE),
        lambda: recorder.promote("bot", spec, by="ann"),
        lambda: recorder.blobs.delete(spec),
        lambda: recorder.edit_config(lambda _: b"[core]\n"),
        lambda: recorder.store.logs.remove(f"run/{run}"),
        lambda: recorder.store.logs.redact(f"run/{run}", {2: stub}),
    ):
        with pytest.raises(BackendError, match=NOT_ALLOWED):
            refused()
    with pytest.raises(BackendError, match=NOT_ALLOWED), recorder.blobs.removal():
        pass
    with pytest.raises(BackendError, match="grants --role promoter --name PATTERN"):
        recorder.promote("bot", spec, by="ann")
    with pytest.raises(BackendError, match="a maintainer ends it: aivcs run reap"):
        recorder.runs.complete_run(ours, DONE)
    with pytest.raises(BackendError, match="grants --role maintainer"):
        recorder.runs.fail_run(ours, DONE)
    with pytest.raises(BackendError, match="grants --role eraser"):
        recorder.store.logs.remove(f"run/{run}")
    recorder.runs.complete_run(run, DONE)
    assert recorder.runs.head(run).lines == 4
    assert owner.runs.head(foreign).lines == owner.runs.head(ours).lines == 1


def test_a_recorder_adds_annotations_and_changes_none(login, owner, spec):
    recorder, other = login("recorder").repo, login("recorder").repo
    run = recorder.start_run(spec, agent_name="bot").run_id
    recorder.annotate(run, text="fine", by="ann")
    (name,) = owner.store.documents.names("notes/")
    before = owner.store.documents.read(name)
    assert not other.store.documents.create(name, b"forged")
    for refused in (
        lambda: other.store.documents.write(name, b"forged"),
        lambda: other.store.documents.drop(name),
    ):
        with pytest.raises(BackendError, match=NOT_ALLOWED):
            refused()
    assert owner.store.documents.read(name) == before


def test_a_pin_is_taken_away_by_who_made_it_or_may_remove_the_blob(login, owner, spec):
    recorder, other = login("recorder").repo, login("promoter").repo
    maintainer, eraser = login("maintainer").repo, login("eraser").repo
    for remover in (recorder, maintainer, eraser, owner):
        recorder.pin(spec)
        other.pin(spec)  # it is pinned
        for refused in (
            lambda: other.unpin(spec),
            lambda: other.store.documents.write(f"pins/{spec}", b"forged"),
        ):
            with pytest.raises(BackendError, match="may not change a pin of"):
                refused()
        assert list(owner.pins()) == [spec]
        remover.unpin(spec)
        assert list(owner.pins()) == []


@pytest.mark.parametrize("body", [b'{"type":"run",', b"\xff", b"[" * 20_000, b'"a"', b"null"])
def test_a_first_line_that_is_no_run_is_refused_or_left_to_readers(login, owner, spec, body):
    """The function that notes runs for lists meets whatever a recorder sends."""
    recorder = login("recorder").repo
    lines, _ = chain.link_all([body], len(body), "")
    recorder.store.logs.update("run/odd", lambda view: lines)
    bad = []
    index = owner.store.list_runs(owner.runs, lambda run_id, error: bad.append(run_id))
    assert list(index.newest(RunFilter(), None)) == []
    assert bad == ["odd"]
    with pytest.raises(IntegrityError):
        recorder.runs.append_event("odd", RunEvent("a", {}))


def test_a_run_that_claims_the_id_of_another_is_not_listed_as_that(login, owner, spec):
    recorder = login("recorder").repo
    with owner.start_run(spec, agent_name="bot") as run:
        pass
    with owner.store.logs.look(f"run/{run.run_id}") as view:
        first, *_ = view.forth()
    recorder.store.logs.update("run/mine", lambda view: [first])
    bad = []
    index = owner.store.list_runs(owner.runs, lambda run_id, error: bad.append(run_id))
    assert [record.run_id for record in index.newest(RunFilter(), None)] == [run.run_id]
    assert bad == ["mine"]


@pytest.mark.parametrize(
    "name",
    [
        "pins/../../x",
        "notes/",
        "notes/ab/../../x",
        "notes/aa//b",
        f"notes/xx/abc/{'0' * 64}",
        f"notes/ab/ab.jsonl/{'0' * 64}",
        "replicas/../x",
        "replicas/a",
        "untrusted/a/b",
        "untrusted/ab.jsonl",
    ],
)
def test_a_recorder_gives_a_document_no_odd_name(login, owner, name):
    """It would be in the way of whoever copies the store into a folder."""
    with pytest.raises(BackendError, match="may not change the document"):
        login("recorder").repo.store.documents.create(name, b"x")
    assert name not in owner.store.documents.names("")


def test_a_recorder_takes_a_strangers_runs_and_vouches_for_none(
    login, owner, spec, server, tmp_path, database, command
):
    stranger = Repository.init(tmp_path / "stranger")
    with stranger.start_run(stranger.blobs.put(b"theirs"), agent_name="bot") as run:
        run.log("evaluation", score=1)
    bundle = str(tmp_path / "b.tar")
    create(stranger, bundle)
    assert owner.identity  # a store of these tests has lost that of its init
    recorder = login("recorder")
    done = command(recorder, "pull", bundle, "--from-untrusted", "a fork")
    assert done[0] == 0, done
    assert owner.untrusted_source(run.run_id) == "a fork"
    assert owner.runs.get_run(run.run_id).status == "COMPLETED"
    # Who has the same run and pushes it would vouch for it; a recorder may not.
    url = server.url(database, user=recorder.user)
    done = command(recorder, "push", url, store=str(stranger.path))
    assert done[0] == 0, done
    assert owner.untrusted_source(run.run_id) == "a fork"
    foreign = owner.start_run(spec, agent_name="bot").run_id
    for refused in (
        lambda: recorder.repo.store.documents.create(f"untrusted/{foreign}", b"x\n"),
        lambda: recorder.repo.store.documents.write(f"untrusted/{run.run_id}", b"x\n"),
        lambda: recorder.repo.store.documents.drop(f"untrusted/{run.run_id}"),
    ):
        with pytest.raises(BackendError, match=NOT_ALLOWED):
            refused()


def test_a_recorder_makes_no_run_of_another_a_copy(login, owner, spec):
    recorder = login("recorder").repo
    run = owner.start_run(spec, agent_name="bot").run_id
    with pytest.raises(BackendError, match=NOT_ALLOWED):
        recorder.store.documents.create(f"replicas/{run}", b"elsewhere\n")
    owner.runs.append_event(run, RunEvent("a", {}))
    mine = recorder.start_run(spec, agent_name="bot").run_id
    for name in (f"replicas/{mine}", "replicas/none-yet"):
        assert recorder.store.documents.create(name, b"elsewhere\n")
        assert recorder.store.documents.drop(name)


@pytest.mark.parametrize(("status", "duration"), [("ODD", "5"), ("COMPLETED", "1.5")])
def test_an_end_that_is_none_spoils_no_list(login, owner, spec, status, duration):
    recorder = login("recorder").repo
    run = recorder.start_run(spec, agent_name="bot").run_id
    good = recorder.start_run(spec, agent_name="bot").run_id

    def end(view):
        body = f'{{"type":"end","status":"{status}","summary":{{"duration_ms":{duration}}}'
        return [chain.link(body, chain.hash_of(view.last) or "")[0]]

    recorder.store.logs.update(f"run/{run}", end)
    bad = []
    index = owner.store.list_runs(owner.runs, lambda run_id, error: bad.append(run_id))
    assert sum(index.count().values()) == 1
    assert [record.run_id for record in index.newest(RunFilter(), None)] == [good]
    assert bad == [run, run]


def test_a_recorder_cannot_get_past_the_functions(login, owner, psql, spec):
    recorder = login("recorder")
    run = recorder.repo.start_run(spec, agent_name="bot").run_id
    before = owner.runs.head(run)
    for table in ("chunks", "logs", "runs", "blobs", "parts", "documents", "rights", "meta"):
        for statement in (f"DELETE FROM aivcs.{table}", f"TRUNCATE aivcs.{table} CASCADE"):
            assert "permission denied" in psql(recorder.user, statement)
    for statement in (
        "UPDATE aivcs.chunks SET data = data",
        "UPDATE aivcs.runs SET status = 'COMPLETED'",
        f"INSERT INTO aivcs.rights (kind, role) VALUES ('promoter', '{recorder.user}')",
        "INSERT INTO aivcs.logs (name) VALUES ('release/bot')",
        "INSERT INTO aivcs.parts (upload, number, data) VALUES (1, 5, 'x')",
        "SELECT aivcs.project(1, '')",
        "SELECT aivcs.drop_parts(1)",
        "SET ROLE keeper",
        "CREATE TABLE aivcs.mine (a int)",
        "SELECT nextval('aivcs.uploads')",
    ):
        assert "permission denied" in psql(recorder.user, statement), statement
    call = (
        "SELECT aivcs.append('run/%s', %s, %s, ARRAY[convert_to('%s' || E'\\n', 'UTF8')], '', true)"
    )
    event = (
        '{"type":"event","seq":1,"kind":"a","payload":{},"timestamp":"2026-01-01T00:00:00.000000Z"'
    )
    good, _ = chain.link(event, before.hash)
    false_head = good.decode().strip()[:-66] + "0" * 64 + '"}'
    false_link = chain.link(event, "0" * 64)[0].decode().strip()
    for line, at, prev in (
        (false_head, 1, f"'{before.hash}'"),  # a hash that is not that of the line
        (false_link, 1, f"'{before.hash}'"),  # a line that does not follow
        (false_link, 1, f"'{'0' * 64}'"),  # after a line that is not there
        (good.decode().strip(), 2, f"'{before.hash}'"),  # a gap
        (chain.link(event, "")[0].decode().strip(), 0, "NULL"),  # a second beginning
    ):
        assert "ERROR" in psql(recorder.user, call % (run, at, prev, line))
        assert owner.runs.head(run) == before
    recorder.repo.runs.complete_run(run, DONE)
    over = owner.runs.head(run)
    late = chain.link(event, over.hash)[0].decode().strip()
    assert "ERROR" in psql(recorder.user, call % (run, 2, f"'{over.hash}'", late))
    assert owner.runs.head(run) == over


def test_nobody_changes_what_is_stored_by_accident(owner, psql, spec):
    run = owner.start_run(spec, agent_name="bot").run_id
    before = owner.runs.head(run)
    for table in ("chunks", "logs", "parts", "blobs"):
        for statement in (f"DELETE FROM aivcs.{table}", f"TRUNCATE aivcs.{table} CASCADE"):
            assert "never changed" in psql("keeper", statement)
    assert "never changed" in psql("keeper", "UPDATE aivcs.chunks SET data = data")
    assert owner.runs.head(run) == before
    assert owner.blobs.get(spec) == b"a spec"


def test_a_promoter_promotes_the_names_that_fit(login, owner, spec):
    promoter = login("promoter", "prod/*").repo
    owner.promote("prod/bot", spec, by="ann")
    promoter.promote("prod/bot", promoter.blobs.put(b"next"), by="bob")
    promoter.rollback("prod/bot", by="bob")
    promoter.promote("prod/team/x", spec, by="bob")
    for name in ("bot", "prod", "xprod/bot"):
        with pytest.raises(BackendError, match="may not change the release"):
            promoter.promote(name, spec, by="bob")
    with pytest.raises(BackendError, match="may not"):
        promoter.runs.create_run(spec, RunMetadata("bot"))
    assert list(owner.releases.list_names()) == ["prod/bot", "prod/team/x"]


def test_a_maintainer_collects_and_ends_lost_runs(login, owner, spec):
    maintainer = login("maintainer").repo
    run = owner.start_run(spec, agent_name="bot").run_id
    maintainer.runs.fail_run(run, RunSummary(success=False))
    other = owner.blobs.put(b"unused")
    with maintainer.store.objects.removal() as removal:
        assert removal.remove(other)
    assert maintainer.store.sweep(maintainer.store.now(), delete=True) == 0
    with pytest.raises(BackendError, match=NOT_ALLOWED):
        maintainer.promote("bot", spec, by="ann")
    with pytest.raises(BackendError, match="permission denied"):
        maintainer.store.logs.remove(f"run/{run}")


def test_an_eraser_erases_and_the_hashes_stay(login, owner, psql, spec):
    eraser = login("eraser")
    logs = eraser.repo.store.logs
    run = owner.start_run(spec, agent_name="bot").run_id
    owner.runs.append_event(run, RunEvent("secret", {"key": "hunter2"}))
    owner.runs.append_events(run, [RunEvent("b", {}), RunEvent("c", {})])
    with owner.store.logs.look(f"run/{run}") as view:
        before = list(view.forth())
    stub = redacted_line(before[1][:-1])
    call = (
        f"SELECT aivcs.redact('run/{run}', %d, ARRAY[%d], ARRAY[%d], "
        "ARRAY[convert_to('%s' || E'\\n', 'UTF8')])"
    )
    second = len(before[1])
    for after, offset, size, line in (
        (1, 1, second, before[1].decode()[:-77] + stub.decode()[-76:]),  # not redacted, but changed
        (1, 1, second, stub.decode().replace(stub.decode()[-66:-2], "0" * 64)),
        (1, 1, second, stub.decode() + "\n" + stub.decode()),
        (1, 2, second - 1, stub.decode()),
        (0, 1, len(before[0]), redacted(before[0])),  # the first line, and the last
        (2, 1 + len(before[2]), len(before[3]), redacted(before[3])),
    ):
        assert "ERROR" in psql(eraser.user, call % (after, offset, size, line))
    assert "permission denied" in psql(eraser.user, "UPDATE aivcs.chunks SET data = data")
    with owner.store.logs.look(f"run/{run}") as view:
        assert list(view.forth()) == before
    logs.redact(f"run/{run}", {2: stub})
    with owner.store.logs.look(f"run/{run}") as view:
        assert list(view.forth()) == [before[0], stub + b"\n", *before[2:]]
    assert "hunter2" not in psql("keeper", "COPY (SELECT data FROM aivcs.chunks) TO STDOUT")
    assert owner.runs.append_event(run, RunEvent("d", {})) == 4
    logs.remove(f"run/{run}")
    logs.remove(f"run/{run}")
    assert list(owner.store.logs.names("run/")) == []
    assert owner.runs.list_runs() == []


def test_only_an_eraser_adds_redacted_lines(login, server, database, owner, psql, spec):
    recorder = login("recorder")
    run = recorder.repo.runs.create_run(spec, RunMetadata("bot"))
    recorder.repo.runs.append_event(run, RunEvent("a", {"key": "sk-1"}))
    with owner.store.logs.look(f"run/{run}") as view:
        first, second = (line.decode() for line in view.forth())
    stub = redacted_line(second[:-1].encode()).decode() + "\n"
    copy, forged = (
        "SELECT aivcs.append('run/copied', 0, NULL, ARRAY[convert_to($l$"
        f"{first}$l$, 'UTF8'), convert_to($l${line}$l$, 'UTF8')], '\\x00', true)"
        for line in (stub, second.replace("sk-1", "sk-2"))
    )
    assert "may not erase" in psql(recorder.user, copy)
    server.sql(f'GRANT "{login("eraser").group}" TO {recorder.user}')
    assert "does not follow" in psql(recorder.user, forged)
    assert not psql(recorder.user, copy)


def line_after(head, body):
    """An array of one linked line, in SQL."""
    return f"ARRAY[convert_to($l${chain.link(body, head.hash)[0].decode()}$l$, 'UTF8')]"


FORGED = (
    '{"type":"event","seq":2,"kind":"evaluation","payload":{"score":1},'
    '"timestamp":"2026-01-01T00:00:00.000000Z"'
)
ORPHANED = FORGED.replace("evaluation", "orphaned")
NOTED = FORGED.replace("evaluation", "redaction")
COMPLETED = '{"type":"end","status":"COMPLETED","summary":{"success":true}'


@pytest.mark.parametrize("role", ["maintainer", "eraser"])
def test_a_run_of_another_gets_no_evidence_from_who_may_end_or_redact_it(
    login, owner, psql, spec, command, role
):
    other = login(role)
    run = owner.start_run(spec, agent_name="bot").run_id
    owner.runs.append_event(run, RunEvent("a", {}))
    head = owner.runs.head(run)
    twice = FORGED.replace("evaluation", "redaction").replace(
        '"payload"', '"kind":"evaluation","payload"'
    )
    for body in (FORGED, twice, COMPLETED, ORPHANED if role == "maintainer" else "[]"):
        call = f"SELECT aivcs.append('run/{run}', 2, '{head.hash}', %s, '', true)"
        assert "may not" in psql(other.user, call % line_after(head, body)), body
    text = FORGED.partition('"seq":2,')[2]
    for forged in (text, '"kind":"redaction",' + text, '"kind":"redaction"},' + text):
        call = f"SELECT aivcs.append_texts('run/{run}', ARRAY[$l${forged}$l$::bytea], 'n', true)"
        assert re.search(NOT_ALLOWED, psql(other.user, call)), forged
    code, said = command(other, "run", "log", run, "evaluation", "score:=1")
    assert code == 16
    assert "nothing was done" in said
    code, said = command(other, "run", "finish", run)
    assert code == 16
    assert "aivcs run reap" in said
    assert owner.runs.head(run) == head


def test_a_maintainer_reaps_and_an_eraser_redacts_a_run_of_another(
    login, owner, psql, spec, command
):
    recorder, maintainer, eraser = login("recorder"), login("maintainer"), login("eraser")
    run = recorder.repo.start_run(spec, agent_name="bot").run_id
    recorder.repo.runs.append_event(run, RunEvent("secret", {"key": "hunter2"}))
    head = owner.runs.head(run)
    call = f"SELECT aivcs.append('run/{run}', 2, '{head.hash}', %s, '', true)"
    assert "may not end" in psql(
        eraser.user, call % line_after(head, COMPLETED.replace("COMPLETED", "FAILED"))
    )
    assert "may not redact" in psql(maintainer.user, call % line_after(head, NOTED))
    assert command(maintainer, "run", "redact", run, "1", "--reason", "r")[0] == 16
    assert owner.runs.head(run) == head
    assert command(eraser, "run", "redact", run, "1", "--reason", "r")[0] == 0
    assert [event.kind for event in owner.runs.get_events(run)] == ["secret", "redaction"]
    assert owner.runs.get_events(run)[0].redacted
    assert command(eraser, "run", "reap", run)[0] == 16
    assert command(maintainer, "run", "reap", run)[0] == 0
    assert owner.runs.get_run(run).status == "FAILED"
    assert [event.kind for event in owner.runs.get_events(run)][2:] == ["orphaned"]
    found = owner.store.inspect(frozenset({"runs"}), lambda *_: None)
    assert {finding.severity for finding in found} == {"notice"}


def test_who_may_not_redact_is_told_the_role_that_may(login, owner, spec, command):
    recorder = login("recorder")
    for starter in (owner, recorder.repo):
        run = starter.start_run(spec, agent_name="bot").run_id
        starter.runs.append_event(run, RunEvent("secret", {}))
        code, said = command(recorder, "run", "redact", run, "1", "--reason", "r")
        assert code == 16
        assert "grants --role eraser" in said


def test_an_eraser_erases_nothing_of_a_release(login, owner, psql, spec):
    eraser = login("eraser")
    for _ in range(3):
        owner.promote("prod/a", spec, by="ann")
    name = "release/prod/a"
    with owner.store.logs.look(name) as view:
        before = list(view.forth())
    size, stub = len(before[1]), redacted(before[1])
    call = (
        f"SELECT aivcs.redact('{name}', 1, ARRAY[1], ARRAY[{size}], "
        f"ARRAY[convert_to($l${stub}$l$ || E'\\n', 'UTF8')])"
    )
    for user in (eraser.user, "keeper"):
        for statement in (call, f"SELECT aivcs.remove_log('{name}')"):
            assert f"may not erase {name}" in psql(user, statement)
    with pytest.raises(BackendError, match="may not erase release/prod/a"):
        eraser.repo.store.logs.remove(name)
    with owner.store.logs.look(name) as view:
        assert list(view.forth()) == before


@pytest.mark.parametrize(
    ("role", "name"),
    [
        ("promoter", "release/prod/../../../evil"),
        ("promoter", "release/prod//a"),
        ("promoter", "release/prod/./a"),
        ("promoter", "release/prod/a/"),
        ("promoter", "release/prod/a.jsonl"),
        ("promoter", "release/prod/a.jsonl/b"),
        ("recorder", "run/a"),
        ("recorder", "run/ab.jsonl"),
        ("recorder", f"run/{'a' * 201}"),
    ],
)
def test_a_log_gets_no_name_that_no_command_gives(login, owner, role, name):
    """It would leave the folder of a copy of the store, or keep every list from being read."""
    repo = login(role, "prod/*" if role == "promoter" else None).repo
    lines, _ = chain.link_all([b'{"type":"release"'], 1, "")
    with pytest.raises(BackendError, match="is not the name of a log"):
        repo.store.logs.update(name, lambda view: lines)
    assert list(owner.store.logs.names("")) == []


def redacted(line):
    """A line in the form of a redacted one, whatever it is, without its newline."""
    return '{"type":"redacted","seq":1' + line.decode()[-77:-1]


def test_an_eraser_records_and_changes_no_record(login, owner, spec):
    eraser, recorder = login("eraser").repo, login("recorder").repo
    run = recorder.start_run(spec, agent_name="bot").run_id
    recorder.annotate(run, text="hunter2", by="ann")
    (note,) = owner.store.documents.names("notes/")
    digest, line = encode_statement(compose(ErasedBlob(spec), by="er", reason="a \0 in it"))
    record, other = f"erasures/{digest}", f"erasures/{'0' * 64}"
    assert eraser.store.documents.create(record, line)
    for refused in (
        lambda: eraser.store.documents.write(record, b"y"),
        lambda: eraser.store.documents.drop(record),
        lambda: recorder.store.documents.create(other, b"x"),
        lambda: recorder.store.documents.drop(record),
        lambda: recorder.store.documents.drop(note),
        lambda: eraser.store.documents.write(note, b"forged"),
        lambda: eraser.runs.create_run(spec, RunMetadata("bot")),
    ):
        with pytest.raises(BackendError, match=NOT_ALLOWED):
            refused()
    assert eraser.store.documents.drop(note)


@pytest.mark.parametrize("name", ["erasures/../../x", "erasures/a", "erasing/x"])
def test_an_eraser_gives_a_document_no_odd_name(login, owner, name):
    with pytest.raises(BackendError, match="may not change the document"):
        login("eraser").repo.store.documents.create(name, b"x")
    assert name not in owner.store.documents.names("")


def test_a_statement_is_what_its_name_says(login, owner, spec):
    """Else it would be damage that everybody meets, and only the owner can mend."""
    recorder, eraser = login("recorder").repo, login("eraser").repo
    run = owner.start_run(spec, agent_name="bot").run_id
    note = Annotation(run, "note", {"text": "a \0 in it"}, by="ann")
    _, line = encode_statement(note)
    for content in (
        b"garbage",
        b"[" * 20_000,
        b'"a"',
        line.replace(b'"annotation"', b'"erasure"'),
        line.replace(run.encode(), b"another"),
        line.replace(b'"format":1', b'"format":2'),
        line.replace(b'"by":"ann"', b'"by":""'),
        line.replace(b'"kind":"note"', b'"kind":"a\\u0000"'),
        line.replace(note.created_at.encode(), b"2026-13-01T00:00:00.000000Z"),
    ):
        for repo, name in ((recorder, f"notes/{run[:2]}/{run}/"), (eraser, "erasures/")):
            for digest in (hex_digest(content), "0" * 64):
                with pytest.raises(BackendError, match="is not what its name says"):
                    repo.store.documents.create(name + digest, content)
    recorder.annotations.add(note)
    assert [found.value for found in owner.annotations.of_run(run)] == [note]
    assert not list(owner.store.inspect(frozenset({"blobs", "runs"}), lambda *_: None))


@pytest.mark.parametrize("mark", ["untrusted/", "replicas/"])
def test_an_eraser_erases_runs_with_a_mark(login, owner, spec, mark):
    eraser = login("eraser").repo
    run, other = (owner.start_run(spec, agent_name="bot").run_id for _ in range(2))
    for one in (run, other):
        owner.runs.append_event(one, RunEvent("secret", {"key": "hunter2"}))
        owner.runs.complete_run(one, DONE)
        owner.annotate(one, text="hunter2", by="ann")
        owner.store.documents.create(f"{mark}{one}", b"fork\n")
    (erased,) = redact(eraser, run, [1], by="er", reason="a secret").records
    assert getattr(erased.value.target, "log", None) == f"run/{run}"
    assert [event.payload for event in owner.runs.get_events(run)] != [{"key": "hunter2"}]
    rm(eraser, [run], ErasureRequest("er", "a secret"))
    leaked = owner.blobs.put(b"hunter2, in a file")
    erase_blobs(eraser, [leaked], ErasureRequest("er", "a secret"))
    assert not owner.blobs.contains(leaked)
    assert complete(eraser) == []
    documents = owner.store.documents
    assert list(owner.store.logs.names("run/")) == [f"run/{other}"]
    assert list(documents.names(mark)) == [f"{mark}{other}"]
    assert [name.split("/")[2] for name in documents.names("notes/")] == [other]
    assert not eraser.store.documents.drop(f"{mark}{run}")
    with pytest.raises(BackendError, match=NOT_ALLOWED):
        eraser.store.documents.drop(f"{mark}{other}")


def test_members_of_the_owner_are_owners(login, spec):
    second = login("owner").repo
    second.edit_config(lambda _: b"[core]\nlock_timeout = 3\n")
    second.promote("bot", spec, by="ann")


def test_rights_that_go_around_the_functions_are_told(login, owner, server, database):
    recorder = login("recorder")
    assert list(owner.store.check()) == []
    server.sql(
        f'GRANT UPDATE ON aivcs.chunks TO "{recorder.user}"; '
        "GRANT CREATE ON SCHEMA aivcs TO PUBLIC; "
        "ALTER TABLE aivcs.logs DISABLE TRIGGER refuse_change",
        database=database,
    )
    try:
        told = " ".join(owner.store.check())
        assert f"{recorder.user} has UPDATE on chunks" in told
        assert "PUBLIC may create objects" in told
        assert "trigger that refuses changes is missing or off: table logs" in told
    finally:
        server.sql(
            f'REVOKE UPDATE ON aivcs.chunks FROM "{recorder.user}"; REVOKE CREATE ON SCHEMA aivcs '
            "FROM PUBLIC; ALTER TABLE aivcs.logs ENABLE TRIGGER refuse_change",
            database=database,
        )


@pytest.mark.parametrize(
    ("role", "names"), [("king", None), ("reader", "prod/*"), ("promoter", "a'; DROP"), ("", None)]
)
def test_a_role_that_is_none_is_refused(owner, role, names):
    with pytest.raises(UsageError):
        owner.store.grants(role, names)
