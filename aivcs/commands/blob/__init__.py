"""Implements `aivcs blob`: a module per verb, and `input_files` and `stored_blobs`, shared.

`blob verify` is a part of `aivcs.commands.store.verify`.
"""
