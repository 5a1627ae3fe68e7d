"""`aivcs blob`: what each command does."""
