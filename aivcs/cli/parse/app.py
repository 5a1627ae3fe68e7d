"""The command line in Typer, put together from the declarations of its nouns.

From one walk over it `tools.generate` makes the dispatch table, the completion files and the
man pages; `aivcs.cli.parse.typer_parser` parses with it.
"""

from aivcs.cli.blob import options as blob
from aivcs.cli.config import options as config
from aivcs.cli.release import options as release
from aivcs.cli.run import options as run
from aivcs.cli.shell import options as shell
from aivcs.cli.spec import options as spec
from aivcs.cli.store import options as store

app = store.app
app.add_typer(blob.app, name="blob", help="Contents by their SHA-256: specs, prompts, configs.")
app.add_typer(spec.app, name="spec", help="What an agent is made of.")
app.add_typer(run.app, name="run", help="The ledger of executions: what an agent did.")
app.add_typer(release.app, name="release", help="What is live under each name, and its history.")
app.add_typer(config.app, name="config", help="Settings of a store, and yours.")
shell.declare(app)
