"""TODO aivcs/signing."""
