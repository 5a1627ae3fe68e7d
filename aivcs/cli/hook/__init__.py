"""The command line of `aivcs hook`."""
