"""TODO aivcs/commands/release."""
