"""Means without a subject: disk-backed maps, write-behind, system calls."""
