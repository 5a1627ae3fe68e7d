"""The benchmarks at their smallest setting: every subject runs through; no figure is judged."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROGRAMS = Path(sys.executable).parent
pytestmark = pytest.mark.skipif(
    not (PROGRAMS / "aivcs").exists(), reason="measures an installed command"
)


def benchmark(*arguments, code=0):
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", *arguments],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "HOME": "/nonexistent"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def figures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("benchmark")
    where = ("--folder", folder, "--json", folder / "figures.json")
    table = benchmark(PROGRAMS, "--quick", *where)
    assert [path.name for path in folder.iterdir()] == ["figures.json"], "nothing else is left"
    return folder / "figures.json", table


class TestBenchmarks:
    def test_every_row_is_a_ratio_to_something_measured_beside_it(self, figures):
        path, table = figures
        found = json.loads(path.read_text())
        assert found["failed"] == []
        assert {"startup", "streams", "growth", "listing", "blobs", "memory"} <= {
            name for name, rows in found["subjects"].items() if rows
        }
        rows = [row for rows in found["subjects"].values() for row in rows]
        for row in rows:
            assert row["ratio"] == pytest.approx(row["measured"] / row["reference"])
            assert row["against"]
        lines = table.splitlines()
        assert lines[0].split()[:2] == ["what", "measured"]
        assert len(lines) == 1 + len(rows)

    def test_figures_can_be_shown_again_as_a_table_as_markdown_and_as_a_picture(
        self, figures, tmp_path
    ):
        path, table = figures
        assert benchmark("--from", path) == table
        text = benchmark("--from", path, "--markdown", "--picture", tmp_path / "cost.svg")
        assert "| what | measured | against what | ratio | bar | aim | reached |" in text
        assert (tmp_path / "cost.svg").read_text().startswith("<svg ")

    def test_what_cannot_be_measured_is_named(self, figures):
        found = json.loads(figures[0].read_text())
        assert any(why.startswith("mlflow is not installed") for why in found["skipped"])
        assert "Skipped: mlflow is not installed" in benchmark("--from", figures[0], "--markdown")

    def test_a_folder_without_the_command_is_refused(self, tmp_path):
        benchmark(tmp_path, code=2)

    def test_every_command_has_arguments_to_be_measured_with(self, figures):
        skipped = json.loads(figures[0].read_text())["skipped"]
        assert not [why for why in skipped if "no arguments for it" in why]

    def test_its_tables_go_between_the_marks_of_a_page(self, figures, tmp_path):
        page = tmp_path / "page.md"
        page.write_text("before\n<!-- figures -->\nold\n<!-- end of figures -->\nafter\n")
        benchmark("--from", figures[0], "--into", page)
        text = page.read_text()
        assert "| blob put |" in text
        assert "old" not in text
        assert (text.split()[0], text.split()[-1]) == ("before", "after")
