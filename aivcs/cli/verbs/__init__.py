"""What each command does at the terminal: reads its surroundings, calls `aivcs.commands`, prints.

A module per noun, a function per verb. Each takes the context and the parameters that the
declaration in `aivcs.cli.app` names; it returns an exit code, or None for 0.
"""
