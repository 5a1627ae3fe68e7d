"""The command line in Typer, put together from the declarations of its nouns.

From one walk over it `aivcs.cli.generate` makes the dispatch table, the completion files and the
man pages; `aivcs.cli.parser` parses with it.
"""

from aivcs.cli.declarations import blob, config, release, run, shell, spec, store

app = store.app
app.add_typer(blob.app, name="blob", help="Contents by their SHA-256: specs, prompts, configs.")
app.add_typer(spec.app, name="spec", help="What an agent is made of.")
app.add_typer(run.app, name="run", help="The ledger of executions: what an agent did.")
app.add_typer(release.app, name="release", help="What is live under each name, and its history.")
app.add_typer(config.app, name="config", help="Settings of a store, and yours.")
shell.declare(app)
