"""Shells: `aivcs shell-init` with its background process, and completion."""
