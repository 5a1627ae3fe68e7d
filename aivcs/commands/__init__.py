"""Implements the commands: plain functions of plain arguments on a repository.

A package per noun, a module per verb. The functions return values and raise `AivcsError`; they know
nothing of terminals, environment variables or the parser. A command that scripts call in a loop
imports only what the start-up budget allows; everything else is imported where it is used.
"""
