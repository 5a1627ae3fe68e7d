"""The commands of `aivcs hook`: what agents' programs leave behind, and being called by them."""
