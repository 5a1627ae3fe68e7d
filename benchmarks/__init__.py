"""What aivcs costs, against what the same machine does in the same run; see `__main__`."""
