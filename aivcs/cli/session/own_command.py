"""The words with which this command was called, for processes that call it again."""

import os
import sys


def own_command() -> "list[str]":
    """Returns the words that call this command from every folder."""
    path = os.path.abspath(sys.argv[0])
    if os.path.basename(path) == "aivcs" and os.access(path, os.X_OK):
        return [path]
    return [sys.executable, "-P", "-m", "aivcs"]
