"""`python -m aivcs`: the same command, by module."""

from aivcs.cli.main import run

run()
