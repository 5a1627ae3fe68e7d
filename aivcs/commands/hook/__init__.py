"""The commands of `aivcs hook`: agents' programs call aivcs, which imports their sessions."""
