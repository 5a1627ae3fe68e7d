"""TODO aivcs/commands/run."""
