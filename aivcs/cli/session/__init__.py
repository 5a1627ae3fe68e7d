"""The environment of a call: variables, store, git, CI system, interruption."""
