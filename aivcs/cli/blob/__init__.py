"""`aivcs blob` at the terminal: options, handlers, views."""
