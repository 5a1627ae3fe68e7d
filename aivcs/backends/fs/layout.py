"""The layout of a store, format 1: the path of each thing, and the thing that a path belongs to.

Paths are relative to the folder that holds `format`. Nothing here touches a file.
"""

OBJECTS, RUNS, RELEASES = "objects", "runs", "releases"
PINS, QUARANTINE, TEMPORARY = "pins", "damaged", "tmp"
FOLDERS = (OBJECTS, RUNS, RELEASES, PINS, QUARANTINE, TEMPORARY)
"""The folders of a store, as they are made."""
SUFFIX = ".jsonl"
"""The end of the name of every log."""
_MAX_QUARANTINED = 180
"""Characters of the path of a quarantined file that its new name begins with, at most."""
_HEX = "0123456789abcdef"


def object_path(digest: str) -> str:
    """Returns the path of the object of a blob."""
    return f"objects/{digest[:2]}/{digest[2:]}"


def object_folder(digest: str) -> str:
    """Returns the path of the folder of an object, from the first two characters of its digest."""
    return f"objects/{digest[:2]}"


def is_object_folder(path: str) -> bool:
    """Tells whether a path is that of a folder of objects."""
    return len(path) == 10 and path.startswith("objects/") and is_hex(path[8:])


def digest_of(shard: str, name: str) -> str:
    """Returns the digest whose object has a name in a folder of objects, or an empty text."""
    is_object = len(shard) == 2 and len(name) == 62 and is_hex(shard) and is_hex(name)
    return shard + name if is_object else ""


def run_path(run_id: str) -> str:
    """Returns the path of the log of a run."""
    return f"runs/{run_id[:2]}/{run_id}.jsonl"


def run_id_of(name: str) -> str:
    """Returns the id of the run whose log has a file name, or an empty text.

    The folder is not looked at: a log in the wrong folder is a log.
    """
    run_id = name.removesuffix(SUFFIX)
    return run_id if run_id != name and is_run_id(run_id) else ""


def release_path(name: str) -> str:
    """Returns the path of the log of a release name."""
    return f"releases/{name}.jsonl"


def release_name_of(path: str) -> str:
    """Returns the release name whose log has a path, or an empty text."""
    name = path.removeprefix("releases/").removesuffix(SUFFIX)
    is_log = path.startswith("releases/") and path.endswith(SUFFIX)
    return name if is_log and is_release_name(name) else ""


def log_path(name: str) -> str:
    """Returns the path of a log by its name, `run/ID` or `release/NAME`."""
    kind, _, rest = name.partition("/")
    return run_path(rest) if kind == "run" else release_path(rest)


def checked_log_path(name: str) -> str:
    """Returns the path of a log by a name that nobody has checked.

    Raises:
        InvalidNameError: No log can have this name.
    """
    from aivcs.log.names import check_log_name

    check_log_name(name)
    return log_path(name)


def pinned_digest_of(name: str) -> str:
    """Returns the digest that a file in `pins/` keeps, or an empty text."""
    digest = name.lower()
    return digest if len(digest) == 64 and is_hex(digest) else ""


def quarantine_path(path: str, digest: str, offset: "int | None" = None) -> str:
    """Returns the path in `damaged/` for bytes with a digest that a path had.

    Args:
        path: The path of the file.
        digest: The SHA-256 of the bytes.
        offset: Where they were cut off; None for a whole file, of whose path the beginning is kept.
    """
    flat = path.replace("/", "-")
    flat = flat[:_MAX_QUARANTINED] if offset is None else f"{flat}.{offset}"
    return f"damaged/{flat}.{digest[:12]}"


def quarantined_flat(path: str) -> str:
    """Returns what the name in `damaged/` of a whole file with a path begins with."""
    return path.replace("/", "-")[:_MAX_QUARANTINED]


def quarantined_from(name: str) -> "tuple[str, str]":
    """Returns the two texts of which one is the `quarantined_flat` of the path of a file's origin.

    Args:
        name: The name of a file in `damaged/`.
    """
    flat = name.rpartition(".")[0]
    return flat, flat.rpartition(".")[0][:_MAX_QUARANTINED]


def quarantined_digest_of(name: str) -> str:
    """Returns the digest whose object a file in `damaged/` was, or an empty text."""
    path, dot, _ = name.partition(".")
    folder, _, rest = path.partition("-")
    shard, _, rest = rest.partition("-")
    return digest_of(shard, rest) if dot and folder == OBJECTS else ""


def temporary_name(pid: int, random: bytes) -> str:
    """Returns the name of a temporary file of a process, made unique by six random bytes."""
    return f"{pid}-{random.hex()}"


def process_of(name: str) -> "int | None":
    """Returns the process that a temporary file is named for; None if it is named for none."""
    pid, _, _ = name.partition("-")
    return int(pid) if pid.isdecimal() and pid.isascii() else None


def is_temporary(name: str) -> bool:
    """Tells whether a file name is one that `temporary_name` makes."""
    rest = name.partition("-")[2]
    return process_of(name) is not None and len(rest) == 12 and is_hex(rest)


def is_hex(text: str) -> bool:
    """Tells whether a text is made of lower-case hexadecimal digits alone."""
    return not text.strip(_HEX)


def is_run_id(text: str) -> bool:
    """Tells whether a text can be the id of a run."""
    from aivcs.errors import InvalidNameError
    from aivcs.model.run import RunId

    try:
        return bool(RunId(text))
    except InvalidNameError:
        return False


def is_release_name(text: str) -> bool:
    """Tells whether a text can be the name of releases."""
    from aivcs.errors import InvalidNameError
    from aivcs.model.release import check_release_name

    try:
        check_release_name(text)
    except InvalidNameError:
        return False
    return True
