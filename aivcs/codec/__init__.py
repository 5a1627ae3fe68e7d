"""TODO aivcs/codec."""
