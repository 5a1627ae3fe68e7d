"""`aivcs release` at the terminal: options, handlers, views."""
