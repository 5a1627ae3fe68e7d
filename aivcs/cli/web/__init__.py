"""`aivcs report`: options and handlers. `aivcs.web` makes the pages."""
