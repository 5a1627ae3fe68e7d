"""TODO aivcs/store."""
