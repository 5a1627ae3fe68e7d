"""Measures aivcs against what the same machine does in the same run, and prints one table.

    python -m benchmarks BIN [OPTIONS]

BIN is the `bin` folder of an environment that has aivcs installed by pip. Every figure is a ratio
to something else that was measured in turn with it; medians. Run it from a checkout: what fills the
stores beforehand is the checkout's own code.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks import chart, report
from benchmarks.harness import Bench, JobError
from benchmarks.subjects import SUBJECTS, peers

_NOTHING: dict[str, Any] = {"date": "", "machine": {}, "subjects": {}, "skipped": [], "failed": []}


def main() -> int:
    """Measures, or shows again what was measured; returns 1 if a bar was missed or a job failed."""
    parser = _parser()
    arguments = parser.parse_args()
    try:  # before anything takes its time
        again = arguments.again and json.loads(arguments.again.read_text())
        page = arguments.into and arguments.into.read_text()
        if page:
            report.insert(page, again or _NOTHING)
    except (OSError, ValueError) as error:
        parser.error(str(error))
    if arguments.install_peers:
        peers.install(arguments.install_peers)
        arguments.peers = arguments.install_peers
        if not (arguments.bin or again):
            return 0
    if not again and (not arguments.bin or not (arguments.bin / "aivcs").exists()):
        parser.error("BIN must be the bin folder of an environment with aivcs")
    # As JSON has it: read back, the names of members are texts.
    figures = again or json.loads(report.as_json(_measure(arguments)))
    if arguments.markdown:
        print(report.markdown(figures))
    elif again:
        _print_table(figures)
    if arguments.json:
        arguments.json.write_text(f"{report.as_json(figures)}\n")
    if page:
        arguments.into.write_text(report.insert(page, figures))
    if arguments.picture and figures["curves"]:  # the subject growth leaves them
        arguments.picture.write_text(chart.draw(figures["curves"]))
    rows = [row for found in figures["subjects"].values() for row in found]
    return int(bool(figures["failed"]) or any(row["verdict"] == "MISSED" for row in rows))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("bin", nargs="?", type=Path, metavar="BIN", help="whose aivcs to measure")
    parser.add_argument("--only", nargs="+", choices=SUBJECTS, metavar="NAME",
                        help=f"some of: {', '.join(SUBJECTS)}")  # fmt: skip
    parser.add_argument("--quick", action="store_true", help="a smoke test; figures mean nothing")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to a file")
    parser.add_argument("--markdown", action="store_true", help="print the table as Markdown")
    parser.add_argument("--into", type=Path, metavar="FILE",
                        help="put the tables between the marks of a Markdown page")  # fmt: skip
    parser.add_argument(
        "--picture", type=Path, metavar="FILE", help="draw what growth measured (SVG)"
    )
    parser.add_argument("--from", dest="again", type=Path, metavar="FILE",
                        help="show figures that --json wrote, without measuring")  # fmt: skip
    parser.add_argument("--peers", type=Path, metavar="DIR", help="environment of the other tools")
    parser.add_argument("--install-peers", type=Path, metavar="DIR",
                        help=f"make that environment: {', '.join(peers.PACKAGES)}")  # fmt: skip
    parser.add_argument("--million", type=Path, metavar="DIR",
                        help="measure a store of a million runs, made in DIR (8 GiB)")  # fmt: skip
    parser.add_argument("--folder", type=Path, default=Path.cwd(), metavar="DIR",
                        help="for scratch files, 15 GiB; by default this one")  # fmt: skip
    return parser


def _measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Measures the subjects one after the other, and prints rows as they come."""
    with tempfile.TemporaryDirectory(prefix="benchmark-", dir=arguments.folder) as folder:
        found = arguments.peers and arguments.peers.absolute() / "bin"
        programs = arguments.bin.absolute()
        bench = Bench(programs, Path(folder), arguments.quick, found, arguments.million)
        figures: dict[str, Any] = {
            "date": time.strftime("%Y-%m-%d"),
            "machine": report.machine(bench),
            "subjects": {},
            "failed": [],
        }
        if not arguments.markdown:
            print(report.line(report.HEADER))
        for name in arguments.only or SUBJECTS:
            print(f"... {name}", file=sys.stderr)
            rows = figures["subjects"][name] = []
            try:
                for row in SUBJECTS[name](bench):
                    if bench.quick:  # nothing is judged
                        row = replace(row, bar=None, aim=None)
                    rows.append(row.as_json())
                    if not arguments.markdown:
                        print(report.line(report.cells(row)), flush=True)
            except JobError as error:  # the other subjects have something to say all the same
                figures["failed"].append(f"{name}: {error}")
                print(f"... failed: {error}", file=sys.stderr)
    figures["machine"]["load after"] = f"{os.getloadavg()[0]:.1f}"
    figures["curves"] = bench.curves
    figures["skipped"] = bench.skipped
    return figures


def _print_table(figures: dict[str, Any]) -> None:
    print(report.line(report.HEADER))
    for rows in figures["subjects"].values():
        for row in rows:
            print(report.line(report.cells(report.read_row(row))))


if __name__ == "__main__":
    sys.exit(main())
