"""Differences, without I/O: alignment of sequences, JSON values."""
