"""The values that the stores keep, by subject: digests, timestamps, runs, releases."""
