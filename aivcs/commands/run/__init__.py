"""`aivcs run`: what each command does."""
