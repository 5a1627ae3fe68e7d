"""`aivcs spec` at the terminal: options, handlers, views."""
