"""`aivcs help` and the texts of `--help`."""
