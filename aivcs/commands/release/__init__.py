"""`aivcs release`: what each command does."""
