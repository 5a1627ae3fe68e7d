"""Implements `aivcs spec`: one module per verb that is more than a call of `aivcs.specs`."""
