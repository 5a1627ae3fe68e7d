"""The rules of chained append-only logs, without any I/O.

`chain` links lines by hash and judges the end of a file. `run` and `release` encode and read the
entries of the two kinds of logs and keep their sequence and stack rules; `release_changes` plans
what to append to a release log; `bulk_events` encodes many events at once. `verify_run` and
`verify_release` check whole logs. `run_filter` selects runs; `heads` reads heads manifests.
"""
