"""TODO aivcs/formats."""
