"""TODO aivcs/cli/run."""
