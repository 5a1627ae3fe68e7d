"""Policies: which rules a release must meet, and who enforces them."""
