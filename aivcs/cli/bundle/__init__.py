"""`aivcs bundle`."""
