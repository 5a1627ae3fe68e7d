"""The commands on two stores: push, pull, clone, and the names of remotes."""
