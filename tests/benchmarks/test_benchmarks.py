"""The benchmarks: every subject runs through at its smallest setting; what is shown of figures."""

import json
import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from isolation import NO_SYSTEM

ROOT = Path(__file__).parents[2]
PROGRAMS = Path(sys.executable).parent
ROW = {
    "what": "blob put", "measured": 0.012, "unit": "s", "against": "python -c pass",
    "reference": 0.01, "bar": 1.6, "aim": 1.25, "least": False, "ratio": 1.2, "verdict": "aim",
}  # fmt: skip
MISSED = {**ROW, "bar": 1.1, "aim": 1.05, "verdict": "MISSED"}
FIGURES = {
    "date": "2026-01-02",
    "machine": {"processors": "2", "system": "Linux"},
    "subjects": {"startup": [ROW], "peers": []},
    "curves": {"python -c pass": {"0": 0.01}, "run log": {"10": 0.012, "1000": 0.013}},
    "skipped": ["dvc is not installed"],
    "failed": [],
}


def benchmark(*arguments, code=0):
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", *arguments],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "HOME": "/nonexistent", **NO_SYSTEM},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout


@pytest.fixture
def figures(tmp_path):
    path = tmp_path / "figures.json"
    path.write_text(json.dumps(FIGURES))
    return path


@pytest.mark.skipif(not (PROGRAMS / "aivcs").exists(), reason="measures an installed command")
def test_every_subject_runs_through_and_compares_with_something_measured_beside_it(tmp_path):
    path = tmp_path / "figures.json"
    table = benchmark(PROGRAMS, "--quick", "--folder", tmp_path, "--json", path)
    assert list(tmp_path.iterdir()) == [path], "scratch files are left"
    found = json.loads(path.read_text())
    assert found["failed"] == []
    # Whoever adds a command says in benchmarks/subjects/startup.py how to call it.
    assert not [why for why in found["skipped"] if "no arguments for it" in why]
    for name, rows in found["subjects"].items():
        assert rows or name in {"loops", "peers", "s3"}, name
    rows = [row for rows in found["subjects"].values() for row in rows]
    assert all(row["ratio"] == row["measured"] / row["reference"] for row in rows)
    assert len(table.splitlines()) == 1 + len(rows)
    assert {row["verdict"] for row in rows} == {""}, "so small a setting judges nothing"


def test_figures_are_shown_again_as_a_table_and_as_markdown(figures):
    header, row = benchmark("--from", figures).splitlines()
    assert header.split()[-4:] == ["ratio", "bar", "aim", "reached"]
    assert row.split("  ")[0] == "blob put"
    assert row.endswith("aim")
    text = benchmark("--from", figures, "--markdown")
    assert "Measured on 2026-01-02: processors 2, system Linux." in text
    assert "| blob put | 12.0 ms | python -c pass: 10.0 ms | 1.2 | ≤ 1.6 | ≤ 1.25 | aim |" in text
    assert "Skipped: dvc is not installed." in text


def test_a_missed_bar_and_a_failed_job_are_an_exit_code(figures):
    figures.write_text(json.dumps({**FIGURES, "subjects": {"startup": [MISSED]}}))
    assert "MISSED" in benchmark("--from", figures, code=1)
    figures.write_text(json.dumps({**FIGURES, "failed": ["verify: exit 14"]}))
    assert "Failed: verify: exit 14." in benchmark("--from", figures, "--markdown", code=1)


def test_tables_go_between_the_marks_of_a_page(figures, tmp_path):
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- figures -->\nold\n<!-- end of figures -->\nafter\n")
    benchmark("--from", figures, "--into", page)
    text = page.read_text()
    assert "| blob put |" in text
    assert "old" not in text
    assert (text.split()[0], text.split()[-1]) == ("before", "after")


def test_the_picture_is_drawn_from_the_figures(figures, tmp_path):
    picture = tmp_path / "cost.svg"
    benchmark("--from", figures, "--picture", picture)
    texts = [each.text for each in ET.fromstring(picture.read_text()).iter() if each.text]
    assert {"run log", "python -c pass: 10.0 ms", "1,000"} <= set(texts)


def test_what_cannot_be_done_is_refused_before_anything_is_measured(figures, tmp_path):
    page = tmp_path / "page.md"
    page.write_text("no marks\n")
    benchmark(tmp_path, code=2)
    benchmark("--from", tmp_path / "missing.json", code=2)
    benchmark("--from", page, code=2)
    benchmark("--from", figures, "--into", page, code=2)
    assert page.read_text() == "no marks\n"
