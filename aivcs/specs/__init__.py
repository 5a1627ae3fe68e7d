"""TODO aivcs/specs."""
