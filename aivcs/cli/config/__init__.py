"""TODO aivcs/cli/config."""
