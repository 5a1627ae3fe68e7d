"""Implements `aivcs blob`: one module per verb, and `input_files` and `stored_blobs`, shared."""
