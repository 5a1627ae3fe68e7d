"""`--markdown` and `--github-summary`: what a reader of a pull request sees, and nothing else."""

import pytest
from markdown_it import MarkdownIt
from web.stores import SECRETS

FOLDED = {"<details>", "<summary>", "<code>", "</code>", "</summary>", "</details>"}


def read(text):
    """The headings, the cells of tables and the blocks of code of a text, as GitHub reads them."""
    found: dict[str, list[str]] = {"heading": [], "cell": [], "fence": [], "text": [], "code": []}
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    for before, token in zip([None, *tokens], tokens, strict=False):
        if token.type == "fence":
            found["fence"].append(token.content)
        elif token.type in {"html_block", "html_inline"}:
            found["text"].append(token.content)
        elif token.type == "inline":
            inside = token.children or []
            kind = "heading" if before and before.type == "heading_open" else "cell"
            found[kind].append("".join(child.content for child in inside))
            found["code"] += [c.content for c in inside if c.type == "code_inline"]
            assert {c.type for c in inside} <= {"text", "code_inline", "html_inline", "softbreak"}
            html = [c.content for c in inside if c.type == "html_inline"]
            assert set(html) <= {"<br>"}
            found["text"] += [c.content for c in inside if c.type == "text"]
    return found


class TestWhatAReaderSees:
    def test_the_difference_of_two_specs(self, aivcs, agent):
        found = read(
            aivcs.ok("spec", "diff", "reviewer@1", "reviewer@2", "--markdown").out.decode()
        )
        assert found["heading"][0].startswith("Spec ")
        assert found["fence"] == ["@@ -1,2 +1,2 @@\n You review code.\n-Version 1.\n+Version 2.\n"]
        assert any("prompts/main.md (changed)" in text for text in found["text"])

    def test_what_two_commands_print_one_after_the_other(self, aivcs, agent):
        first = aivcs.ok("spec", "diff", "reviewer@1", "reviewer@2", "--markdown").out.decode()
        found = read(f"{first}### Next\n")
        assert found["heading"][-1] == "Next"

    def test_the_report_in_short(self, aivcs, agent, tmp_path):
        page, summary = tmp_path / "page.html", tmp_path / "summary.md"
        found = read(aivcs.ok("report", "--markdown", "--title", "<b>nightly").out.decode())
        assert found["heading"] == ["<b>nightly"]
        assert {"reviewer", "reason 2", agent[2]} <= set(found["code"])
        assert "<!doctype" not in "".join(found["text"]).lower()
        env = {"GITHUB_STEP_SUMMARY": str(summary)}
        aivcs.ok("report", "-o", str(page), "--github-summary", env=env)
        assert page.read_text().lower().startswith("<!doctype html>")
        assert set(read(summary.read_text())["code"]) >= {"reviewer", agent[2]}
        aivcs("report", "--markdown", "-o", str(page), code=2)

    def test_equal_specs(self, aivcs, agent):
        text = aivcs.ok("spec", "diff", "reviewer@1", "reviewer@1", "--markdown").text
        assert "The specs are equal." in text

    def test_the_difference_of_a_spec_and_the_files_here(self, aivcs, agent):
        (aivcs.folder / "prompts/main.md").write_text("You review code.\nHere.\n")
        found = read(aivcs.ok("spec", "diff", "reviewer@2", "--auto", "--markdown").out.decode())
        assert found["heading"] == ["Spec reviewer@2 and the files here"]
        assert "+Here." in found["fence"][0]

    def test_the_difference_of_two_releases_and_their_runs(self, aivcs, agent):
        found = read(aivcs.ok("release", "diff", "reviewer", "--markdown").out.decode())
        assert found["heading"] == ["reviewer@1 → reviewer@2", "A run of each"]
        assert "reason 1" in found["code"]
        assert "arguments.n: 1" in found["code"]
        assert "arguments.n: 2" in found["code"]

    def test_the_difference_of_two_runs(self, aivcs, agent):
        found = read(aivcs.ok("run", "diff", agent[0], agent[2], "--markdown").out.decode())
        assert {"COMPLETED", "FAILED", agent[0], agent[2]} <= set(found["code"])

    @pytest.mark.parametrize("is_met", [True, False])
    def test_the_verdicts_on_a_planned_release(self, aivcs, agent, is_met):
        aivcs.ok("config", "set", "policy.*.require_runs", "1")
        words = ["release", "promote", "reviewer", "reviewer@1", "--dry-run", "--markdown"]
        words += ["--evidence", agent[0]] if is_met else []
        found = read(aivcs(*words, code=0 if is_met else 15).out.decode())
        sign, said = ("✓", "allowed") if is_met else ("✗", "refused")
        assert found["heading"] == [f"{sign} Promotion of reviewer would be {said}"]
        assert "require_runs" in found["code"]
        assert ("✗ failed" in found["text"]) is not is_met
        assert len(aivcs.release_log("reviewer").read_text().splitlines()) == 2


class TestTheSummary:
    @pytest.mark.parametrize(
        "words",
        [
            ["spec", "diff", "reviewer@1", "reviewer@2"],
            ["release", "diff", "reviewer"],
            ["run", "diff", "@last", "@last"],
            ["release", "promote", "reviewer", "reviewer@1", "--dry-run"],
        ],
    )
    def test_gets_the_same_besides_the_usual_output(self, aivcs, agent, words):
        summary = aivcs.folder / "summary.md"
        env = {"GITHUB_STEP_SUMMARY": str(summary)}
        usual = aivcs.ok(*words).out
        assert aivcs.ok(*words, "--github-summary", env=env).out == usual
        assert summary.read_bytes() == aivcs.ok(*words, "--markdown").out

    def test_needs_a_job(self, aivcs, agent):
        done = aivcs("release", "diff", "reviewer", "--github-summary", code=2)
        assert "GITHUB_STEP_SUMMARY" in done.complaint

    @pytest.mark.parametrize(
        "words",
        [
            ["spec", "diff", "reviewer@1", "reviewer@2", "--json"],
            ["run", "diff", "@last", "@last", "--json"],
            ["release", "diff", "reviewer", "--json"],
            ["release", "promote", "reviewer", "reviewer@1", "--dry-run", "--json"],
            ["release", "promote", "reviewer", "reviewer@1"],
        ],
    )
    def test_two_formats_are_a_mistake(self, aivcs, agent, words):
        assert aivcs(*words, "--markdown", code=2).out == b""


class TestStrangers:
    @pytest.fixture
    def texts(self, hostile):
        runs = [line.split("\t")[0] for line in hostile.ok("run", "list").lines]
        return [
            hostile.ok(*words, "--markdown").out.decode()
            for words in (
                ["spec", "diff", "evil/name@1", "evil/name@2"],
                ["release", "diff", "evil/name"],
                ["run", "diff", runs[0], runs[-1]],
                ["release", "promote", "evil/name", "evil/name@2", "--dry-run"],
            )
        ]

    def test_get_no_markup_in(self, texts):
        for text in texts:
            found = read(text)  # which refuses other markup
            for part in found["text"]:
                for wanted in FOLDED:
                    part = part.replace(wanted, "")
                assert "<" not in part.replace("&lt;", "")

    def test_get_nobody_notified(self, texts):
        for text in texts:
            for part in read(text)["text"]:
                assert "http" not in part
                assert "ada" not in part

    def test_get_no_secret_out(self, texts):
        for text in texts:
            assert not any(secret in text for secret in SECRETS)
            assert len(text) < 65_536
