"""Tools without a domain: disk-backed maps, write-behind, retries, system calls."""
