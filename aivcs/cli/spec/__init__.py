"""TODO aivcs/cli/spec."""
