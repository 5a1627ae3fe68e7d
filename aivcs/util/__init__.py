"""TODO aivcs/util."""
