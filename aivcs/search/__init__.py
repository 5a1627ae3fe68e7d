"""Finding events of runs: what is asked for, and the passage that answers it. No I/O."""
