"""TODO aivcs/cli/parse."""
