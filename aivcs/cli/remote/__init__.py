"""`aivcs remote`, `push`, `pull` and `clone`."""
