"""TODO aivcs/trace."""
