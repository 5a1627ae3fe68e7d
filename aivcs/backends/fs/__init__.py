"""A store in a folder, format 1: the only code that knows a path below `.aivcs/`.

`backend` opens the store, `create` makes it. Its drivers are `logfile`, `blobs` and `documents`.
`layout` has every path, `scan` walks them; `folder` and `files` read and write; `verify` judges.
"""

from aivcs.backends.fs.backend import FileBackend as FileBackend
