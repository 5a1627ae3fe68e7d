"""What surrounds a call: environment, store, git, CI system, signers, interruption."""
