"""`python -m tools.screens` draws the pictures in docs/screens."""
