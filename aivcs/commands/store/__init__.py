"""TODO aivcs/commands/store."""
