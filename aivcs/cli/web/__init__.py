"""`aivcs report` and `aivcs web`: options and handlers. `aivcs.web` makes the pages."""
