"""What a person finds in the browser, by the keys that the last line names."""

import os
import shutil

import pytest
from tui.conftest import fill, source_of
from web.stores import CONTROLS, fill as fill_evil

from aivcs import Repository
from aivcs.model.run import RunEvent, RunMetadata, RunSummary
from aivcs.tui.pages.history import HistoryPage
from aivcs.tui.pages.names import NamesPage
from aivcs.tui.pages.run import RunPage
from aivcs.tui.pages.runs import RunsPage


class TestReleases:
    def test_who_put_what_live_and_why_is_on_the_first_page(self, look, names):
        async def acts(person):
            return person.lines()

        lines = look(names, acts)
        (live,) = (line for line in lines if "coder" in line)
        assert "v1" in live
        assert "eve: it broke the collection" in live

    def test_history_has_every_entry_with_its_state(self, look, names):
        async def acts(person):
            return await person.press("down", "down", "enter")

        lines = look(names, acts)
        assert lines[0].endswith("coder")
        entries = [line for line in lines if line.strip("● ").startswith("@")]
        assert [entry.strip("● ").split()[0] for entry in entries] == ["@3", "@2", "@1"]
        assert "rollback" in entries[0]
        assert "current" in entries[0]
        assert "rolled back" in entries[1]
        assert "bob: faster" in entries[1]
        assert "live again" in entries[2]

    def test_release_has_grounds_checks_and_the_command_that_rolls_back(self, look, repo):
        async def acts(person):
            first = await person.press("enter")
            return [*first, *await person.press("G")]

        text = "\n".join(look(HistoryPage(source_of(repo), "coder"), acts))
        assert "reason     it broke the collection" in text
        assert "evidence" in text
        assert "✓ chain" in text
        assert "aivcs release rollback coder --reason TEXT" in text

    def test_an_only_release_has_nothing_to_return_to(self, look, repo):
        repo.promote("single", repo.blobs.put(b"other"), by="ada")

        async def acts(person):
            first = await person.press("enter")
            return [*first, *await person.press("G")]

        text = "\n".join(look(HistoryPage(source_of(repo), "single"), acts))
        assert "✓ chain" in text
        assert "rollback" not in text

    def test_difference_is_to_the_entry_before(self, look, repo):
        async def acts(person):
            return await person.press("j", "d")

        lines = look(HistoryPage(source_of(repo), "coder"), acts)
        assert lines[0].endswith("@1 → @2")
        assert "- Step 0." in lines
        assert "+ Step 1." in lines

    def test_difference_to_any_other_is_by_a_mark(self, look, repo):
        async def acts(person):
            return await person.press("m", "G", "d")

        lines = look(HistoryPage(source_of(repo), "coder"), acts)
        assert lines[0].endswith("@1 → @3")
        assert any("They have the same spec." in line for line in lines)

    def test_evidence_opens_the_run(self, look, repo):
        async def acts(person):
            await person.press("enter")
            await person.type("/evidence")
            return await person.press("enter")

        assert "run " in look(HistoryPage(source_of(repo), "coder"), acts)[0]

    def test_damaged_log_is_a_line_and_the_rest_is_there(self, look, repo, tmp_path):
        fill_other = repo.blobs.put(b"other")
        repo.promote("other", fill_other, by="ada")
        log = tmp_path / ".aivcs/releases/coder.jsonl"
        log.write_bytes(log.read_bytes().replace(b'"by"', b'"xy"').replace(b"eve", b"adx"))

        async def acts(person):
            return person.lines()

        lines = look(NamesPage(source_of(repo)), acts)
        assert any("Cannot be read: " in line for line in lines)
        assert any("other" in line for line in lines)


def long_run(repo, *, before, after, last=None):
    """Makes a failed run with a command that failed among messages."""
    spec = repo.blobs.put(b"spec")
    run = repo.runs.create_run(spec, RunMetadata("coder"))
    talk = [RunEvent("message_added", {"role": "assistant", "content": f"{n}"})
            for n in range(before + after)]  # fmt: skip
    talk[before:before] = [
        RunEvent("tool_called", {"tool_name": "bash", "command": "pytest -q"}),
        RunEvent(
            "tool_returned",
            {"tool_name": "bash", "exit_code": 1, "observation": "E  assert 344 == 345\nF"},
        ),
    ]
    if last is not None:
        talk.append(RunEvent("tool_failed", {"tool_name": "end", "error": last}))
    repo.runs.append_events(run, talk)
    repo.runs.fail_run(run, RunSummary(success=False, duration_ms=1, exit_code=1))
    return run


class TestRuns:
    def test_failing_step_of_a_run_is_one_key_away(self, look, names):
        async def acts(person):
            await person.press("enter", "f", "enter")
            head = person.lines()
            await person.press("e")
            cursor = person.app._rows.cursor
            return head, await person.press("enter"), cursor

        head, opened, _ = look(names, acts)
        assert any("failed after 4.2 s, exit code 3" in line for line in head)
        assert any(line.startswith("error      #3 tool_returned: exit code 3") for line in head)
        assert "exit_code: 3" in opened
        assert "error: collection broke" in opened

    def test_last_error_leads_to_its_line(self, look, repo):
        run = next(repo.runs.iter_runs(limit=1)).run_id

        async def acts(person):
            await person.type("/error")
            await person.press("enter")
            return await person.press("enter")

        lines = look(RunPage(source_of(repo), run), acts)
        assert lines[0].endswith("seq 3")

    def test_failing_step_among_many_is_found_by_clicks_alone(self, look, repo):
        run = long_run(repo, before=700, after=700)

        async def acts(person):
            for text in ("failed  ▸", f"✗ {run[:8]}", "#702 bash: exit code 1", "   702 "):
                await person.click(text)
            return person.lines()

        lines = look(NamesPage(source_of(repo)), acts)
        assert lines[0].endswith(f"run {run[:8]} > seq 702")
        assert any("E  assert 344 == 345" in line for line in lines)

    def test_first_and_last_error_are_told(self, look, repo):
        run = long_run(repo, before=700, after=700, last="timeout")

        async def acts(person):
            return person.lines()

        lines = look(RunPage(source_of(repo), run), acts)
        assert any(line.startswith("error      #702 bash: exit code 1  ▸") for line in lines)
        assert any(line.startswith("last error #1403 end: timeout  ▸") for line in lines)

    def test_error_that_comes_late_in_a_huge_run_is_looked_for_on_request(self, look, repo):
        run = long_run(repo, before=2100, after=500)

        async def acts(person):
            opened = person.lines()
            return opened, await person.click("none among the first 2,000 events; look on")

        opened, lines = look(RunPage(source_of(repo), run), acts)
        assert not any("2102" in line for line in opened)
        assert any(line.strip().startswith("2102") and "exit code 1" in line for line in lines)

    def test_what_a_failed_command_printed_stands_behind_its_exit_code(self, look, repo):
        run = long_run(repo, before=2, after=2)

        async def acts(person):
            return person.lines()

        lines = look(RunPage(source_of(repo), run), acts, size=(120, 24))
        assert any("exit code 1  E assert 344 == 345" in line for line in lines)

    def test_click_on_the_first_line_goes_back(self, look, names):
        async def acts(person):
            await person.press("r")
            await person.click("what is live > runs")
            return person.title

        assert look(names, acts) == "STORE  what is live"

    def test_keys_of_the_last_line_can_be_clicked(self, look, names):
        async def acts(person):
            await person.click("runs  /")
            runs = person.title
            await person.click("failed only")
            failed = person.title
            await person.click("back")
            await person.click("keys")
            return runs, failed, person.title

        runs, failed, keys = look(names, acts)
        assert runs.endswith("runs")
        assert failed.endswith("failed runs")
        assert keys.endswith("keys")

    def test_long_payload_is_opened_whole(self, look, repo):
        run = list(repo.runs.iter_runs())[1].run_id

        async def acts(person):
            await person.press("G", "k")
            short = person.lines()
            await person.press("enter")
            return short, await person.press("G")

        short, whole = look(RunPage(source_of(repo), run), acts)
        assert any("3.5 KiB" in line for line in short)
        assert sum("1 passed" in line for line in whole) > 20
        assert "406/406" in whole[-1]

    def test_two_runs_are_compared_call_by_call(self, look, repo):
        async def acts(person):
            return await person.press("m", "j", "d")

        lines = look(RunsPage(source_of(repo)), acts)
        assert any("pytest -k t1" in line and "+" in line for line in lines)
        assert any("pytest -k t2" in line and "-" in line for line in lines)

    def test_annotations_are_shown(self, look, repo):
        run = next(repo.runs.iter_runs(limit=1)).run_id

        async def acts(person):
            assert person.has("1 annotation")
            return await person.press("a")

        assert any("seen by a person" in line for line in look(RunPage(source_of(repo), run), acts))

    def test_search_leads_to_the_event(self, look, names):
        async def acts(person):
            await person.type("scollection broke")
            found = person.lines()
            await person.press("enter")
            return found, await person.press("enter")

        found, opened = look(names, acts)
        assert any("collection broke" in line for line in found[1:-1])
        assert "error: collection broke" in opened

    def test_runs_of_a_spec_are_those_of_the_release(self, look, repo):
        async def acts(person):
            return await person.press("j", "r")

        lines = look(HistoryPage(source_of(repo), "coder"), acts)
        assert "runs of v2" in lines[0]
        assert len([line for line in lines if "4.2 s" in line]) == 2

    def test_erased_event_keeps_its_line(self, look, aivcs):
        repo = Repository.open(aivcs.store)
        run = fill(repo)[0]
        aivcs.ok("run", "redact", run, "2", "--reason", "a secret")

        async def acts(person):
            whole = person.lines()
            await person.type("/tool_called")
            return whole, await person.press("enter")

        whole, opened = look(RunPage(source_of(repo), run), acts)
        assert any("erased on purpose" in line for line in whole)
        assert not any("pytest" in line for line in whole)
        assert opened[0].endswith("seq 2")
        assert "Its content was erased on purpose." in opened

    def test_keys_typed_ahead_wait_for_what_they_mean(self, look, names):
        async def acts(person):
            await person.pilot.press("enter", "f", "enter", "e", "enter")
            await person.wait()
            return await person.press("g")

        assert look(names, acts)[0].endswith("seq 3")

    def test_refresh_shows_what_was_logged_meanwhile(self, look, repo):
        spec = repo.blobs.put(b"x")
        run = repo.runs.create_run(spec, RunMetadata("coder"))

        async def acts(person):
            repo.runs.append_event(run, RunEvent("note", {"text": "new things"}))
            before = person.has("new things")
            await person.press("R")
            return before, person.has("new things")

        assert look(RunPage(source_of(repo), run), acts) == (False, True)


class TestText:
    @pytest.fixture
    def evil(self, tmp_path):
        return fill_evil(tmp_path)

    def test_nothing_recorded_is_obeyed_or_hidden(self, look, evil):
        bad = {c for c in CONTROLS if not c.isprintable()}
        assert bad

        async def acts(person):
            seen = []
            for keys in (
                ["j", "j", "enter"], ["enter"], ["d"], ["G"], ["q", "r"], ["enter"], ["enter"],
                ["G"], ["q", "G", "enter"], [*"qqqqq", "enter", "enter", "j", "enter"],
            ):  # fmt: skip
                seen += await person.press(*keys)
            return seen

        for line in look(NamesPage(source_of(evil)), acts):
            assert not bad.intersection(line), line

    def test_markup_of_textual_is_text(self, look, repo):
        spec = repo.blobs.put(b"[bold red]x[/] [@click=app.exit]y[/]\n")
        repo.promote("m", spec, by="[reverse]ada[/]", notes="[b]z[/b]")

        async def acts(person):
            first = person.lines()
            await person.type("/ada")
            await person.press("enter", "enter")
            return first, person.lines()

        first, opened = look(NamesPage(source_of(repo)), acts)
        assert any("[reverse]ada[/]: [b]z[/b]" in line for line in first)
        assert any("[reverse]ada[/]" in line for line in opened)

    @pytest.mark.parametrize("columns", [20, 40, 80, 200])
    def test_every_page_fits(self, look, evil, columns):
        async def acts(person):
            seen = []
            for keys in (["j", "j", "enter"], ["enter"], ["d"], ["q", "r"], ["enter"], ["enter"]):
                seen += await person.press(*keys)
            return seen

        from rich.cells import cell_len

        assert max(map(cell_len, look(NamesPage(source_of(evil)), acts, size=(columns, 24)))) <= (
            columns
        )

    def test_narrow_screen_has_the_state_and_the_label(self, look, repo):
        async def acts(person):
            return person.lines()

        lines = look(HistoryPage(source_of(repo), "coder"), acts, size=(40, 12))
        assert any("@2" in line and "v2" in line and "rolled back" in line for line in lines)

    def test_resized_screen_keeps_the_line(self, look, repo):
        run = list(repo.runs.iter_runs())[1].run_id

        async def acts(person):
            await person.press("G")
            await person.pilot.resize_terminal(40, 12)
            await person.wait()
            return person.lines()

        assert "assistant" in "".join(look(RunPage(source_of(repo), run), acts)[1:-1])


class TestStores:
    def test_browsing_leaves_the_store_as_it_is(self, look, repo, names, tmp_path):
        def state():
            return {
                path: path.read_bytes()
                for path in tmp_path.rglob("*")
                if path.is_file() and "index" not in path.name
            }

        before = state()

        async def acts(person):
            await person.press("enter", "enter", "e", "enter", "q", "q", "q", "j", "j")
            await person.press("enter", "enter", "d", "q", "q", "d", "q", "r", "R")

        look(names, acts)
        assert state() == before

    @pytest.mark.parametrize("keys", ["R", "r", "sword"])
    def test_store_that_is_gone_is_not_an_empty_one(self, look, names, tmp_path, keys):
        async def acts(person):
            shutil.rmtree(tmp_path / ".aivcs")
            if len(keys) > 1:
                return await person.type(keys)
            return await person.press(keys)

        lines = look(names, acts, size=(160, 24))
        assert any("is gone" in line for line in lines)

    def test_store_in_memory_is_browsed_alike(self, look):
        from aivcs.store.settings import Settings

        repo = Repository.init("memory://browse-alike", settings=Settings())
        runs = fill(repo)

        async def acts(person):
            first = person.lines()
            await person.type("scollection")
            await person.press("enter")
            return first, person.lines()

        first, run = look(NamesPage(source_of(repo)), acts)
        assert any("eve: it broke the collection" in line for line in first)
        assert any(runs[2] in line for line in run)

    def test_bundle_is_browsed_alike(self, look, repo, aivcs, tmp_path):
        file = tmp_path / "all.tar"
        aivcs.ok("--store", str(tmp_path / ".aivcs"), "bundle", "create", str(file))
        bundle = Repository.open(f"bundle://{file}")

        async def acts(person):
            await person.press("enter", "enter")
            return person.lines()

        lines = look(NamesPage(source_of(bundle)), acts)
        assert any("failed after 4.2 s" in line for line in lines)


def test_colours_are_those_of_the_terminal(look, names):
    """No colour but the sixteen of the terminal: light and dark suit themselves."""

    async def acts(person):
        await person.press("j", "j", "enter", "enter")
        app = person.app
        strips = [app._rows.render_line(y) for y in range(app._rows.size.height)]
        return [segment.style for strip in strips for segment in strip if segment.style]

    for style in look(names, acts):
        for color in (style.color, style.bgcolor):
            assert color is None or color.is_system_defined


@pytest.mark.skipif(not os.environ.get("AIVCS_TEST_TRACES"), reason="AIVCS_TEST_TRACES is not set")
def test_every_real_trace_is_browsed_to_its_end(look, aivcs, tmp_path):
    from pathlib import Path

    for path in sorted(Path(os.environ["AIVCS_TEST_TRACES"]).glob("events/*.jsonl")):
        run = aivcs.begin(path.stem)
        aivcs.ok("run", "log", "--stdin", run, stdin=path.read_bytes())
        number = len(path.read_bytes().splitlines())
        repo = Repository.open(aivcs.store)

        async def acts(person):
            last = await person.press("G")
            opened = await person.press("enter")
            return last, opened

        last, opened = look(RunPage(source_of(repo), run), acts)
        assert any(line.lstrip().startswith(f"{number} ") for line in last)
        assert opened[0].endswith(f"seq {number}")
