"""The names of logs, `run/<id>` and `release/<name>`. No I/O.

A name becomes the path of a file, so one that comes from another store, or from a server that
others write to, is checked before it is used: `release/a/../../b` would lead elsewhere.
"""

from aivcs.errors import SerializationError
from aivcs.model.release import check_release_name
from aivcs.model.run import RunId


def check_log_name(name: str) -> None:
    """Requires the name of a log, `run/<id>` or `release/<name>`.

    Raises:
        InvalidNameError: The id or the name breaks its rules.
        SerializationError: The name begins otherwise.
    """
    kind, _, rest = name.partition("/")
    if kind == "run":
        RunId(rest)
    elif kind == "release":
        check_release_name(rest)
    else:
        raise SerializationError(f"{name[:80]!a} is not a log: write run/ID or release/NAME")


def is_log_name(name: str) -> bool:
    """Tells whether a log can have a name."""
    try:
        check_log_name(name)
    except SerializationError:
        return False
    return True
