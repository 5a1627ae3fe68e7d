"""`aivcs report`: what a reader finds in it, and what no stranger gets into it."""

import base64
import hashlib
import json
import shutil
import subprocess
import unicodedata

import pytest
from web.conftest import Page
from web.stores import MARKUP, SECRETS

NOW = ["--now", "2026-11-30T12:00:00Z"]


class TestWhatAReaderFinds:
    def test_what_is_live_and_why(self, agent, page):
        found = page()
        assert found.has("reviewer", "v2", "ada", "reason 2", "current", "1 run")
        assert found.has("reviewer", "@2", "promote", "v2", "current", "ada", "reason 2")
        assert found.has("@1", "promote", "v1", "superseded", "reason 1")

    def test_the_grounds_of_a_release(self, aivcs, agent, page):
        aivcs.ok("config", "set", "policy.*.require_runs", "1")
        spec = aivcs.ok("release", "current", "reviewer").text
        aivcs.ok("release", "promote", "reviewer", spec, "--evidence", agent[1])
        found = page()
        assert found.has("@3: grounds and checks", spec, "evidence", agent[1])
        assert found.has("require_runs", "✓ ok", "found 1")

    def test_what_changed_between_neighbours(self, agent, page):
        found = page()
        assert found.has(
            "What changed from v1 (@1) to v2 (@2)", "prompts/main.md (changed)", "You review code.",
            "- Version 1.", "+ Version 2.",
        )  # fmt: skip

    def test_figures_of_agents_and_runs(self, agent, page):
        found = page()
        assert found.has("success", "reviewer", "3", "2", "1", "67 %")
        assert found.has(agent[1], "✓ completed", "2 min 2 s", "4", "2,005", "$0.2500", "0.7")
        assert found.has(agent[0], "✓ completed", "1 min 1 s", "4", "1,005", "$0.2500", "0.6")
        assert found.has("tokens: last 2,005, median 1,005, highest 2,005, of 2")

    def test_the_timeline_of_a_failed_run_and_of_a_chosen_one(self, agent, page):
        found = page()
        assert f"run-{agent[2]}" in found.ids
        assert found.has("Timelines", agent[2], "✗ failed", "make", "No such file: x.c")
        assert f"run-{agent[0]}" not in found.ids
        found = page("--run", agent[0])
        assert found.has("Timelines", agent[0], "read", "n=1", "fine")
        assert f"run-{agent[0]}:e1" in found.ids

    def test_two_runs_side_by_side(self, agent, page):
        found = page()
        assert found.has("Compared", agent[0], agent[1], "other parameters", "arguments.n", "1")
        found = page("--diff", f"{agent[0]}..{agent[2]}")
        assert found.has("Compared", "Two runs", agent[0], agent[2], "COMPLETED", "FAILED")

    def test_the_head_that_verify_accepts(self, aivcs, agent, page):
        found = page(*NOW)
        head = aivcs.ok("head").text
        assert found.has("2026-11-30T12:00:00", "head", head, "the hash chains of 4 logs")

    def test_only_what_was_asked_for(self, aivcs, agent, page):
        other = aivcs.begin("other")
        assert page().has(other)
        assert not page("--agent", "reviewer").has(other)
        assert not page("--agent", "other").has(agent[0])
        assert page("--since", "2100-01-01").has("There are no runs.")
        assert page("-n", "1").has("The newest 1 runs")

    def test_an_empty_store(self, page):
        assert page().has("Nothing was released.", "There are no runs.")


class TestThePage:
    def test_is_the_same_for_the_same_store_and_moment(self, aivcs, agent):
        first = aivcs.ok("report", *NOW).out
        assert aivcs.ok("report", *NOW).out == first
        assert aivcs.ok("report", "--now", "2026-11-30T12:00:01Z").out != first

    def test_leads_nowhere_and_every_link_has_a_target(self, agent, page):
        found = page()
        assert len(found.ids) == len(set(found.ids))
        assert {link.removeprefix("#") for link in found.links} <= set(found.ids)
        assert all(link.startswith("#") for link in found.links)

    def test_allows_its_own_style_and_nothing_else(self, agent, page):
        found = page()
        digest = base64.b64encode(hashlib.sha256(found.style.encode()).digest()).decode()
        assert found.policy == (
            f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
        )
        assert "url(" not in found.style
        assert "@import" not in found.style

    def test_does_not_say_where_the_store_is(self, aivcs, agent):
        log = aivcs.run_log(agent[0])
        log.chmod(0o644)
        log.write_bytes(log.read_bytes().replace(b"fine", b"fins"))
        done = aivcs("report", code=14)
        assert str(aivcs.folder).encode() not in done.out

    def test_is_small(self, aivcs):
        event = {"kind": "tool_called", "payload": {"tool_name": "t", "arguments": "x" * 500}}
        events = f"{json.dumps(event)}\n" * 100
        spec = aivcs.put(b"spec")
        for number in range(12):
            run = aivcs.ok("run", "start", "--agent", "a", "--spec", spec).text
            aivcs.ok("run", "log", "--stdin", run, stdin=events)
            aivcs.ok("run", "finish", run, "--exit-code", str(number % 2))
        # Timelines of failed runs are limited in number and length; each other run is a row.
        size = len(aivcs.ok("report").out)
        rows = len(aivcs.ok("report", "-n", "0").out)
        assert size - rows < 500_000
        assert size + 88 * 1000 < 1_000_000


class TestStrangers:
    def test_nothing_recorded_is_markup(self, hostile):
        found = Page(hostile.ok("report").out)
        whole = "".join(found.text)
        assert MARKUP in whole
        assert whole.count("<script>") > 10
        assert len(found.ids) == len(set(found.ids))

    def test_no_character_is_obeyed(self, hostile):
        text = hostile.ok("report").out.decode()
        odd = {c for c in text if unicodedata.category(c) in {"Cc", "Cf", "Cs", "Zl", "Zp"}}
        assert odd == {"\n"}
        assert "\\u202eevil" in text
        assert "\\u3164" in text
        assert "\\x1b[31mred" in text

    @pytest.mark.parametrize("more", [[], ["--no-redact"]])
    def test_secrets_are_masked_unless_asked_for(self, hostile, more):
        runs = [line.split("\t")[0] for line in hostile.ok("run", "list").lines]
        chosen = [word for run in runs for word in ("--run", run)]
        text = hostile.ok("report", *chosen, "--diff", f"{runs[0]}..{runs[-1]}", *more).out.decode()
        for secret in SECRETS:
            assert (secret in text) is bool(more)
        assert ("***github-token***" in text) is not bool(more)

    def test_long_and_binary_contents_are_cut(self, hostile):
        out = hostile.ok("report").out
        assert len(out) < 200_000
        assert b"binary, and different" in out

    @pytest.mark.slow
    def test_a_browser_executes_nothing(self, hostile):
        browser = shutil.which("chromium") or shutil.which("google-chrome")
        if browser is None:
            pytest.skip("there is no chromium")
        hostile.ok("report", "-o", "r.html")
        done = subprocess.run(
            [browser, "--headless=new", "--no-sandbox", "--disable-gpu", "--dump-dom",
             f"file://{hostile.folder}/r.html"],
            capture_output=True, text=True, check=True, timeout=120,
        )  # fmt: skip
        assert "<script" not in done.stdout
        assert "<img" not in done.stdout
        assert done.stdout.count("<style>") == 1
        assert "</html>" in done.stdout


class TestTheFile:
    def test_is_written_whole_or_not_at_all(self, aivcs, agent):
        path = aivcs.folder / "r.html"
        aivcs.ok("report", "-o", "r.html")
        assert path.read_bytes().endswith(b"</body></html>\n")
        before = path.read_bytes()
        aivcs("report", "-o", "r.html", "--run", "nosuchrun", code=12)
        aivcs("report", "-o", "r.html", "--diff", f"{agent[0]}..nosuchrun", code=12)
        assert path.read_bytes() == before
        assert aivcs("report", "--diff", f"{agent[0]}..nosuchrun", code=12).out == b""
        assert [p.name for p in aivcs.folder.glob("r.html*")] == ["r.html"]

    def test_is_where_a_link_leads_and_keeps_its_mode(self, aivcs, agent):
        path, link = aivcs.folder / "real.html", aivcs.folder / "r.html"
        path.touch()
        path.chmod(0o640)
        link.symlink_to(path)
        aivcs.ok("report", "-o", "r.html")
        assert link.is_symlink()
        assert path.read_bytes().endswith(b"</body></html>\n")
        assert path.stat().st_mode & 0o777 == 0o640

    def test_what_cannot_be_read_is_told_and_the_rest_is_there(self, aivcs, agent):
        log = aivcs.run_log(agent[2])
        log.chmod(0o644)
        log.write_bytes(log.read_bytes().replace(b"x.c", b"y.c"))
        done = aivcs("report", code=14)
        found = Page(done.out)
        assert found.has("Not read", agent[2])
        assert found.has("reviewer", "v2", "ada")
        assert b"not in the report" in done.err

    @pytest.mark.parametrize(
        ("words", "says"),
        [
            (["-o", ""], "unset"),
            (["-n", "-1"], "0 or more"),
            (["--diff", "a"], "RUN..RUN"),
            (["--now", "soon"], "--now"),
            (["-o", "no/such/folder.html"], "cannot write"),
        ],
    )
    def test_explains_a_mistake(self, aivcs, words, says):
        done = aivcs("report", *words)
        assert done.code in {2, 16}
        assert says in done.complaint

    def test_changes_nothing_in_the_store(self, aivcs, agent, files):
        aivcs.ok("report", "-o", "r.html")  # makes the index
        before = files.snapshot(aivcs.store)
        aivcs.ok("report", "-o", "r.html")
        assert files.snapshot(aivcs.store) == before
