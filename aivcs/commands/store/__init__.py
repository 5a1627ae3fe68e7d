"""Commands about a whole store: what each does."""
