"""Signatures by SSH keys: the boundary to `ssh-keygen -Y`."""
