"""How the command is started (the installed script, else the module), and reading a terminal."""

import os
import sys
from pathlib import Path

BESIDE = Path(sys.executable).with_name("aivcs")
COMMAND = [str(BESIDE)] if BESIDE.exists() else [sys.executable, "-m", "aivcs"]


def read_terminal(master):
    """Reads all that is written to a terminal, until nobody has it open; closes it."""
    data = b""
    while True:
        try:
            piece = os.read(master, 65536)
        except OSError:  # how Linux ends a terminal whose last user is gone
            break
        if not piece:
            break
        data += piece
    os.close(master)
    return data
