"""TODO aivcs/commands/blob."""
