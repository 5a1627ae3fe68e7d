"""From the words of a command line to a call: declarations, table parser, Typer, mistakes."""
