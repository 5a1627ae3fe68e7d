"""The command line: the only code that knows of terminals, environment and working directory.

`main` is the entry, `dispatch` the fast parser over the generated `_table`, `app` the declarations
(in Typer) from which table, completions and man pages are generated, `verbs` what each command
does at the terminal, `exits` what an error means to a shell.
"""
