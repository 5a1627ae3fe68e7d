"""`aivcs spec`: what each command does."""
