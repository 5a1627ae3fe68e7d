"""TODO aivcs/cli/render."""
