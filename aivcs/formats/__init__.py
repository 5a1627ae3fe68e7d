"""Formats of other tools, a module each, with `read()`, `write()` or both."""
