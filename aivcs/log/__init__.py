"""The rules of chained append-only logs, without any I/O.

`jsontext` is strict JSON in and compact JSON out; `chain` links lines by hash and judges the end of
a file; `run` and `release` are the entries of the two kinds of logs, with their sequence and stack
rules; `selection` says which runs a list wants; `fault` finds where a text stops being JSON.
"""
