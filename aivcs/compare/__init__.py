"""TODO aivcs/compare."""
