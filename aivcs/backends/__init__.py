"""The backends: one package per kind of storage, none of which imports another."""
