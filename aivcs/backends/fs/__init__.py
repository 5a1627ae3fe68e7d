"""A store in a folder, format 1: the only code that knows a path below `.aivcs/`.

`backend` is the store as a whole; `blobs`, `runs` and `releases` are the three contracts on it;
`logfile` is the one append protocol of both kinds of logs; `files` is what they all ask of the
system.
"""

from aivcs.backends.fs.backend import FileBackend as FileBackend
