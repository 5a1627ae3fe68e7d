"""`aivcs run` at the terminal: options, handlers, views."""
