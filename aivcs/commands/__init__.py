"""What each command does, as plain functions of plain arguments on a repository.

A module per noun, a function per verb. They return values and raise `AivcsError`; they know nothing
of terminals, environment variables or the parser. What scripts call in a loop imports nothing that
the start-up budget does not allow; everything else is imported where it is used.
"""
