"""The commands on bundles: a store, or a part of it, in one file."""
