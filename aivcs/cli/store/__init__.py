"""TODO aivcs/cli/store."""
