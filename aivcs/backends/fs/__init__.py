"""A store in a folder, format 1: the only code that knows a path below `.aivcs/`.

`backend` is the store as a whole; `logfile` is its log driver, `blobs` its object driver,
`documents` the rest; `lines` is how a log is read, `folder` knows paths and modes, `files` what is
asked of the system; `verify` reads everything and judges.
"""

from aivcs.backends.fs.backend import FileBackend as FileBackend
