"""Implements `aivcs release`: one module per verb."""
