"""TODO aivcs/config."""
