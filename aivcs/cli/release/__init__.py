"""TODO aivcs/cli/release."""
