"""What the user can say: every command, option and help text, a module for each noun.

Nothing here does anything: each function is a signature with its help, and names the verb that runs
it. `aivcs.cli.parse.app` puts them together.
"""
