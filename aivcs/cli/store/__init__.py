"""Commands about a whole store, at the terminal: options, handlers, views."""
