"""The command line: the only code that knows terminals, environment and working directory.

`main` is the entry point. `parse/` turns the words of a command line into a call, by a generated
table, and by Typer for the rest. Each noun has a folder with its `options` (declarations and help),
`handlers` (the call of a command and what it prints) and views. `exit_codes` maps errors to exit
codes and messages, `hints` suggests what was meant.
"""
