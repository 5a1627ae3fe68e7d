"""TODO aivcs/cli/help."""
