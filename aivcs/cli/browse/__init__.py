"""`aivcs browse`: options and handlers. `aivcs.tui` is the browser."""
