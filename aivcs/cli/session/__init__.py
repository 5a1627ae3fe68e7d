"""TODO aivcs/cli/session."""
