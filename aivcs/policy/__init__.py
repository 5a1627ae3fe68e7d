"""TODO aivcs/policy."""
