"""TODO aivcs/cli/shell."""
