"""`aivcs config` at the terminal: options, handlers."""
