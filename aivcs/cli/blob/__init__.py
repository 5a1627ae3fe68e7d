"""TODO aivcs/cli/blob."""
