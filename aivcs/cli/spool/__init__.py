"""`aivcs spool`: runs that wait on this machine for their store."""
