"""Makes, from one walk over the declarations, everything that repeats them.

    python -m tools.generate          writes the dispatch table, completions and man pages
    python -m tools.generate --check  says what is stale, and exits 1 if anything is

`walk` reads the declarations; `table`, `completions` and `man` each make files of what it found.
For development only: nothing of it runs when the command does.
"""
