"""The commands on the spool: runs that wait on this machine for a remote store."""
