"""Configuration files: keys, values, and which file decides."""
