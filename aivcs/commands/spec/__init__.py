"""TODO aivcs/commands/spec."""
