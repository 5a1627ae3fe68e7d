"""`aivcs push` and `pull`: what is missing is copied, once, and whole."""

import json
import shutil
import socket
import time

import pytest
from sync.conftest import TRACES, blobs, content, edit_log, logs, record


class TestPush:
    def test_runs_and_their_blobs_are_there_byte_for_byte(self, here, there):
        runs = [record(here, number) for number in (1, 5, 30)]
        done = here.ok("push")
        assert sorted(done.lines) == sorted(
            f"run/{run}\tnew\t{number + 3}" for run, number in zip(runs, (1, 5, 30), strict=True)
        )
        assert logs(there) == logs(here)
        assert blobs(there) == blobs(here)
        there.ok("verify")

    def test_again_nothing_is_copied(self, here, there):
        record(here)
        here.ok("push")
        before = content(there)
        assert here.ok("push").out == b""
        assert content(there) == before

    def test_a_run_that_goes_on_is_extended(self, here, there):
        run = record(here, is_over=False)
        assert here.ok("push").lines == [f"run/{run}\tnew\t3"]
        here.ok("run", "log", run, "more")
        assert here.ok("push").lines == [f"run/{run}\textended\t4"]
        here.ok("run", "finish", run)
        assert here.ok("push").lines == [f"run/{run}\textended\t5"]
        assert logs(there) == logs(here)
        assert there.record(run)["status"] == "COMPLETED"

    def test_releases_are_not_pushed(self, here, there):
        record(here)
        here.ok("release", "promote", "bot", here.put(b"a prompt"))
        here.ok("push")
        assert there("release", "current", "bot").code == 12
        assert not list(there.store.glob("releases/*"))
        assert here.put(b"a prompt") not in blobs(there)

    def test_blobs_that_nothing_pushed_declares_stay_here(self, here, there):
        other = here.put(b"mine alone")
        run = record(here, is_over=False)
        here.ok("run", "log", run, "said", f"text={other}")
        here.ok("push")
        assert other not in blobs(there)

    def test_parts_of_a_spec_go_with_it(self, here, there):
        prompts = here.folder / "prompts"
        prompts.mkdir()
        for name in ("one", "two"):
            (prompts / f"{name}.md").write_text(name)
        spec = here.ok("spec", "create", "--prompts", "prompts").text
        here.ok("run", "start", "--agent", "bot", "--spec", spec)
        here.ok("push")
        assert there.ok("spec", "checkout", spec, "out").code == 0
        assert (there.folder / "out/prompts/two.md").read_text() == "two"

    def test_a_blob_that_is_missing_here_is_named(self, here, there):
        spec = "ab" * 32
        here.ok("run", "start", "--agent", "bot", "--spec", spec, "--allow-missing-spec")
        done = here.ok("push")
        assert spec in done.err.decode()
        assert len(logs(there)) == 1

    def test_a_damaged_blob_holds_its_run_back(self, here, there):
        run, other = record(here), record(here, agent="other")
        digest = here.put(b"spec of bot\n")
        here.object(digest).chmod(0o600)
        here.object(digest).write_bytes(b"something else")
        done = here("push", code=14)
        assert digest in done.err.decode()
        assert list(logs(there)) == [f"{other}.jsonl"]
        assert digest not in blobs(there)
        assert run not in done.out.decode()

    def test_a_damaged_run_is_named_and_the_others_are_pushed(self, here, there):
        bad, good = record(here, 3), record(here)
        path = here.run_log(bad)
        path.write_bytes(path.read_bytes().replace(b'{"n":1}', b'{"n":7}'))
        done = here("push", code=14)
        assert f"{bad}.jsonl line 3" in done.err.decode()
        assert list(logs(there)) == [f"{good}.jsonl"]

    def test_a_dry_run_lists_runs_and_blobs_and_writes_nothing(self, here, there):
        record(here)
        before, mine = content(there), content(here)
        done = here.ok("push", "--dry-run")
        listed = {line.split("\t")[0] for line in done.lines}
        assert {name.removeprefix("blob/") for name in listed if "blob/" in name} == blobs(here)
        assert content(there) == before
        assert content(here) == mine
        here.ok("push")
        assert here.ok("push", "--dry-run").out == b""

    def test_json_has_heads(self, here, there):
        run = record(here)
        (told,) = here.ok("push", "--json").json_lines
        assert told["log"] == f"run/{run}"
        assert told["action"] == "new"
        assert (told["lines"], told["hash"]) == (4, logs(here)[f"{run}.jsonl"][-67:-3].decode())

    def test_a_path_is_a_remote(self, here, store):
        other = store("other")
        run = record(here)
        here.ok("push", "../other")
        assert list(logs(other)) == [f"{run}.jsonl"]

    def test_what_is_no_remote_is_refused(self, here, there):
        assert "no remote 'orgin'" in here("push", "orgin", code=2).complaint
        here("push", "", code=2)
        here("push", str(here.folder / "nothing"), code=10)

    def test_a_bundle_is_no_remote(self, here):
        record(here)
        here.ok("bundle", "create", "b.tar")
        assert "aivcs pull FILE" in here("remote", "add", "o", "b.tar", code=2).complaint

    def test_without_a_remote_it_says_how_to_add_one(self, here):
        assert "aivcs remote add origin" in here("push", code=2).complaint

    def test_a_secret_is_held_back(self, here, there):
        run, other = record(here, is_over=False), record(here)
        token = "ghp_" + "a1B2" * 9
        here.ok("run", "log", run, "tool_called", f"output={token}")
        done = here("push", code=15)
        assert b"github-token" in done.err
        assert token not in done.err.decode()
        assert list(logs(there)) == [f"{other}.jsonl"]
        here.ok("push", "--no-scan")
        assert len(logs(there)) == 2


class TestAwayStores:
    def test_a_bundle_is_written_instead(self, here, there, store, tmp_path):
        runs = {record(here), record(here)}
        there.store.rename(tmp_path / "away")
        here("push", code=10)
        done = here.ok("push", "--timeout", "20", "--or-bundle", "runs.tar")
        assert b"not pushed" in done.err
        third = store("third")
        third.ok("pull", "../here/runs.tar")
        assert set(logs(third)) == {f"{run}.jsonl" for run in runs}

    def test_a_secret_is_held_back_from_the_bundle_too(self, here, there, tmp_path):
        token = "ghp_" + "a1B2" * 9
        run, logged, noted = record(here), record(here, is_over=False), record(here)
        here.ok("run", "log", logged, "note", f"text={token}")
        here.ok("run", "annotate", noted, "note", f"text={token}")
        there.store.rename(tmp_path / "away")
        done = here("push", "--or-bundle", "runs.tar", code=15)
        assert logged in done.err.decode()
        assert noted in done.err.decode()
        assert token not in done.err.decode()
        data = (here.folder / "runs.tar").read_bytes()
        assert token.encode() not in data
        assert run.encode() in data
        here.ok("push", "--or-bundle", "runs.tar", "--no-scan")
        assert token.encode() in (here.folder / "runs.tar").read_bytes()

    def test_none_is_written_if_all_went_well(self, here, there):
        run = record(here)
        here.ok("push", "--timeout", "50", "--or-bundle", "runs.tar")
        assert list(logs(there)) == [f"{run}.jsonl"]
        assert not (here.folder / "runs.tar").exists()

    def test_the_time_is_limited(self, here, there):
        record(here)
        here("push", "--timeout", "0", code=2)
        here("push", "--timeout", "-1", code=2)
        here("push", "--or-bundle", "", code=2)
        done = here("push", "--timeout", "0.00001", code=16)
        assert "took longer" in done.complaint
        here.ok("push")

    @pytest.mark.parametrize("listens", [False, True], ids=["refused", "never answered"])
    def test_the_time_is_limited_where_a_server_cannot_be_reached(self, here, listens):
        pytest.importorskip("psycopg")
        record(here)
        with socket.socket() as held:
            held.bind(("127.0.0.1", 0))
            if listens:
                held.listen()
            url = f"postgresql://127.0.0.1:{held.getsockname()[1]}/x"
            done = here("push", url, "--timeout", "0.5")
            assert done.code in {16, 75}  # the time is up, or the last attempt before that failed
            assert "60 s" not in done.err.decode()  # of remote.timeout
            done = here.ok("push", url, "--timeout", "0.5", "--or-bundle", "runs.tar")
            assert "not pushed" in done.err.decode()


class TestSelections:
    def test_runs_are_selected_by_the_filters_of_run_list(self, here, there):
        one, two = record(here, agent="one"), record(here, agent="two")
        here.ok("push", "--agent", "one")
        assert list(logs(there)) == [f"{one}.jsonl"]
        here.ok("push", "--run", two[:8])
        assert len(logs(there)) == 2

    def test_a_limit_is_of_the_newest(self, here, there):
        record(here)
        newest = record(here)
        here.ok("push", "-n", "1", "--status", "completed")
        assert list(logs(there)) == [f"{newest}.jsonl"]

    def test_a_pull_selects_at_the_other_side(self, here, there):
        one = record(there, agent="one")
        record(there, agent="two")
        here.ok("pull", "--agent", "one")
        assert list(logs(here)) == [f"{one}.jsonl"]

    def test_a_run_that_is_not_there_is_refused(self, here, there):
        here("push", "--run", "00000000-0000-4000-8000-000000000000", code=12)


class TestPull:
    def test_runs_come_back(self, here, there, store):
        for _ in range(3):
            record(here)
        here.ok("push")
        third = store("third")
        third.ok("remote", "add", "team", str(there.store))
        assert len(third.ok("pull").lines) == 3
        assert logs(third) == logs(here)
        assert blobs(third) == blobs(here)
        third.ok("verify")
        assert third.ok("pull").out == b""

    def test_runs_of_both_sides_are_a_union(self, here, there):
        mine, yours = record(here), record(there)
        here.ok("pull")
        here.ok("push")
        assert logs(here) == logs(there)
        assert set(logs(here)) == {f"{mine}.jsonl", f"{yours}.jsonl"}

    def test_the_heads_of_two_merged_stores_are_one(self, here, there, store):
        for _ in range(2):
            record(here)
            record(there)
        third, fourth = store("third"), store("fourth")
        for order, target in (((here, there), third), ((there, here), fourth)):
            for source in order:
                source.ok("push", str(target.store))
        assert third.ok("head").text == fourth.ok("head").text


class TestDivergence:
    @pytest.fixture
    def parted(self, here, there):
        """A run that both sides have, with another third line."""
        run = record(here, 3, is_over=False)
        here.ok("push")
        edit_log(
            there.run_log(run),
            lambda entries: [
                *entries[:2],
                entries[2] | {"payload": {"n": 99}},
                *entries[3:],
            ],  # fmt: skip
        )
        return run

    def test_a_run_that_parted_is_left_as_it_is_and_the_line_is_named(self, here, there, parted):
        before = logs(there)[f"{parted}.jsonl"], logs(here)[f"{parted}.jsonl"]
        other = record(here)
        done = here("push", code=15)
        assert f"run {parted}: the copies part at line 3" in done.err.decode()
        assert done.lines == [f"run/{other}\tnew\t4"]
        assert (logs(there)[f"{parted}.jsonl"], logs(here)[f"{parted}.jsonl"]) == before

    def test_also_where_either_side_went_on(self, here, there, parted):
        here.ok("run", "log", parted, "more")
        assert "line 3" in here("push", code=15).complaint
        assert "line 3" in here("pull", code=15).complaint

    def test_json_names_the_line(self, here, there, parted):
        (told,) = here("push", "--json", code=15).json_lines
        assert (told["action"], told["line"]) == ("diverged", 3)

    def test_a_run_that_ended_otherwise_parts_at_its_end(self, here, there):
        run = record(here, is_over=False)
        here.ok("push")
        shutil.rmtree(there.store / "replicas")
        there.ok("run", "finish", run, "--status", "failed")
        here.ok("run", "finish", run)
        assert "line 4" in here("push", code=15).complaint


class TestCopies:
    def test_a_copy_of_a_running_run_is_not_appended_to(self, here, there):
        run = record(here, is_over=False)
        here.ok("push")
        before = logs(there)
        for words in (("log", run, "x"), ("finish", run), ("log", "--stdin", run)):
            done = there("run", *words, stdin='{"kind":"x","payload":1}\n', code=15)
            assert str(here.store) in done.complaint
        assert logs(there) == before

    def test_once_it_has_ended_it_is_a_run_like_any_other(self, here, there):
        run = record(here, is_over=False)
        here.ok("push")
        here.ok("run", "finish", run)
        here.ok("push")
        assert not list(there.store.glob("replicas/*"))
        assert "sealed" in there("run", "log", run, "x", code=15).complaint

    def test_a_copy_of_a_copy_names_the_home(self, here, there, store):
        run = record(here, is_over=False)
        here.ok("push")
        third = store("third")
        there.ok("push", str(third.store))
        assert str(here.store) in third("run", "log", run, "x", code=15).complaint

    def test_a_run_that_is_refused_is_no_copy(self, here, there):
        run = record(there, is_over=False)
        (path,) = there.store.glob("runs/*/*.jsonl")
        edit_log(path, lambda entries: [entries[0], *({**e, "seq": 7} for e in entries[1:])])
        assert run in here("pull", code=14).err.decode()
        assert not [path for path in content(here) if run in path]

    def test_the_home_pulls_nothing_back(self, here, there):
        run = record(here, is_over=False)
        here.ok("push")
        assert here.ok("pull").out == b""
        here.ok("run", "log", run, "goes on")


class TestAnnotations:
    def test_go_with_their_runs_and_unite(self, here, there):
        run = record(here)
        here.ok("push")
        here.ok("run", "annotate", run, "-m", "good", "--by", "ann")
        there.ok("run", "annotate", run, "-m", "bad", "--by", "bob")
        assert len(here.ok("push").lines) == 1
        assert len(here.ok("pull").lines) == 1
        assert here.ok("push").out == here.ok("pull").out == b""
        names = {p.relative_to(here.store) for p in here.store.glob("notes/*/*/*")}
        assert names == {p.relative_to(there.store) for p in there.store.glob("notes/*/*/*")}
        assert len(names) == 2
        assert here.ok("head").text == there.ok("head").text

    def test_a_damaged_one_is_named_and_stays(self, here, there):
        run = record(here)
        here.ok("run", "annotate", run, "-m", "good", "--by", "ann")
        (path,) = here.store.glob("notes/*/*/*")
        path.chmod(0o600)
        path.write_bytes(path.read_bytes().replace(b"good", b"evil"))
        assert path.name in here("push", code=14).err.decode()
        assert not list(there.store.glob("notes/*/*/*"))
        assert len(logs(there)) == 1


class TestRemotes:
    def test_are_added_listed_and_removed(self, here, there):
        assert here.ok("remote", "list").lines == [f"origin\t{there.store}"]
        (told,) = here.ok("remote", "list", "--json").json_lines
        assert told == {"name": "origin", "url": str(there.store)}
        here.ok("remote", "rm", "origin")
        assert here.ok("remote", "list").out == b""
        here("remote", "rm", "origin", code=2)

    def test_a_folder_with_a_store_in_it_is_meant(self, here, store):
        other = store("other")
        here.ok("remote", "add", "team", "../other")
        assert here.ok("remote", "list").lines == [f"team\t{other.store}"]

    def test_what_cannot_be_one_is_refused(self, here, there):
        before = content(here)
        url = str(there.store)
        for name in ("", "a/b", "-x", "timeout", "here", "x" * 65, "a.b"):
            here("remote", "add", name, url, code=2)
        here("remote", "add", "x", "", code=2)
        here("remote", "add", "x", "nothing", code=10)
        here("remote", "add", "x", str(here.store), code=2)
        secret = here("remote", "add", "x", "postgresql://me:hunter22@db/x", code=2)
        assert "hunter22" not in secret.err.decode()
        assert content(here) == before

    def test_a_name_is_not_given_to_another_store_by_accident(self, here, there, store):
        other = store("other")
        here.ok("remote", "add", "origin", str(there.store))
        assert str(there.store) in here("remote", "add", "origin", "../other", code=2).complaint
        assert other.store.exists()


class TestTheMemory:
    def test_a_settled_run_is_not_read_again(self, here, there):
        run = record(here)
        here.ok("push")
        for side in (here, there):  # nobody may notice, for nobody looks
            side.run_log(run).write_bytes(b"not a log\n")
        assert here.ok("push").out == b""
        assert here("push", "--all", code=14).out == b""

    def test_a_run_that_was_lost_there_is_pushed_again(self, here, there):
        run = record(here)
        here.ok("push")
        there.run_log(run).unlink()
        assert here.ok("push").lines == [f"run/{run}\tnew\t4"]

    def test_another_store_in_the_same_place_is_another_store(self, here, there):
        run = record(here)
        here.ok("push")
        shutil.rmtree(there.store)
        there.ok("init")
        here("push", code=15)  # the user trusted the other one
        here.ok("trust", there.store)
        assert here.ok("push").lines == [f"run/{run}\tnew\t4"]

    def test_of_unchanged_folders_only_the_runs_that_go_on_are_looked_at(self, here, there):
        over, going = record(here), record(here, is_over=False)
        here.ok("push")
        time.sleep(3.2)  # a folder that changed just now may change again without notice
        here.ok("push")
        (path,) = here.store.glob("remotes/known/*.push")
        memory = json.loads(path.read_bytes())
        assert sorted(memory) == sorted({over[:2], going[:2]})
        assert [run for texts in memory.values() for run in texts[2:]] == [going]
        assert here.ok("push").out == b""
        here.ok("run", "log", going, "more")
        assert here.ok("push").lines == [f"run/{going}\textended\t4"]
        here.ok("run", "finish", going)
        assert here.ok("push").lines == [f"run/{going}\textended\t5"]
        there.run_log(over).unlink()
        there.run_log(going).unlink()
        new = record(here)
        assert sorted(line.split("\t")[0] for line in here.ok("push").lines) == sorted(
            f"run/{run}" for run in (over, going, new)
        )
        assert logs(there) == logs(here)

    @pytest.mark.parametrize("run", ["../../config", "zz-other", "", 1, None])
    def test_a_memory_that_names_something_else_is_not_believed(self, here, there, run):
        going = record(here, is_over=False)
        here.ok("push")
        time.sleep(3.2)
        here.ok("push")
        (path,) = here.store.glob("remotes/known/*.push")
        ((group, (ours, theirs, _)),) = json.loads(path.read_bytes()).items()
        path.write_text(json.dumps({group: [ours, theirs, run]}))
        here.ok("run", "log", going, "more")
        assert here.ok("push").lines == [f"run/{going}\textended\t4"]

    def test_a_damaged_memory_is_made_anew(self, here, there):
        record(here)
        here.ok("push")
        for path in here.store.glob("remotes/known/**/*"):
            if path.is_file():
                path.write_bytes(b"\0garbage")
        assert here.ok("push").out == b""
        here.ok("push")


@pytest.mark.skipif(not TRACES.is_dir(), reason="the shared agent traces are not there")
def test_three_real_runs_of_two_stores_are_compared_in_a_third(here, there, store):
    spec = there.put(b"swe-agent\n")
    runs = []
    for side, name in ((here, "default"), (here, "function-calling"), (store("b"), "xml")):
        side.put(b"swe-agent\n")
        run = side.ok("run", "start", "--agent", "swe", "--spec", spec).text
        events = (TRACES / "events" / f"marshmallow-1867-{name}.jsonl").read_bytes()
        side.ok("run", "log", "--stdin", run, stdin=events)
        side.ok("run", "finish", run)
        side.ok("push", str(there.store))
        runs.append((side, run))
    assert len(logs(there)) == 3
    for side, run in runs:
        assert logs(there)[f"{run}.jsonl"] == logs(side)[f"{run}.jsonl"]
    assert there.ok("run", "diff", runs[0][1], runs[2][1]).out
    there.ok("verify")
