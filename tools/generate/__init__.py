"""Makes the files that repeat what the declarations of the commands say.

    python -m tools.generate          writes the dispatch table, completions, man pages and help
    python -m tools.generate --check  says what is stale, and exits 1 if anything is

The declarations are in `aivcs.cli.parse.commands`. For development only: nothing here is in the
wheel.
"""
