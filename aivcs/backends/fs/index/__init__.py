"""The index of runs: a cache of their first and last lines, its refresh, and its queries."""
