"""How the command is started: the script that is installed, else the module."""

import sys
from pathlib import Path

BESIDE = Path(sys.executable).with_name("aivcs")
COMMAND = [str(BESIDE)] if BESIDE.exists() else [sys.executable, "-m", "aivcs"]
