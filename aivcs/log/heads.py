"""A manifest of heads: what each log of a store had come to, in bytes that have a digest. No I/O.

The manifest is JSON without whitespace, its logs in the order of their names, so that the same
heads are the same bytes, whoever writes them:

    {"type":"heads","format":1,"logs":[{"log":"release/bot","lines":2,"hash":"…"},…]}

Logs are named as the contracts name them, `run/<id>` and `release/<name>`, not by where a backend
keeps them. A store agrees with a manifest if each log named there has, at that line, that hash: the
chain then vouches for all lines before it, and lines behind it are what came since.
"""

from aivcs.errors import SerializationError, UnsupportedFormatError
from aivcs.log.jsontext import encode, parse
from aivcs.model import Head, RunId, check_release_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

TYPE = "heads"
FORMAT = 1
_HEX = frozenset("0123456789abcdef")


def manifest(heads: "Iterable[tuple[str, Head]]") -> bytes:
    """Returns the manifest of some logs, given by name and head in any order."""
    return b"".join(pieces(sorted(heads)))


def pieces(heads: "Iterable[tuple[str, Head]]") -> "Iterator[bytes]":
    """Yields the manifest of some logs, given in the order of their names, piece by piece."""
    before = encode({"type": TYPE, "format": FORMAT, "logs": []})[:-2]
    for name, head in heads:
        yield f"{before}{encode({'log': name, 'lines': head.lines, 'hash': head.hash})}".encode()
        before = ","
    yield f"{'' if before == ',' else before}]}}".encode()


def heads_in(data: bytes) -> "list[tuple[str, Head]]":
    """Returns the names and heads of a manifest.

    Raises:
        SerializationError: It is no manifest.
        UnsupportedFormatError: It is of a later format.
    """
    try:
        value = parse(data.decode())
    except (SerializationError, UnicodeDecodeError) as error:
        raise SerializationError("it is not JSON") from error
    if not isinstance(value, dict) or value.get("type") != TYPE:
        raise SerializationError('it is no JSON object of the type "heads"')
    if value.get("format") != FORMAT:
        raise UnsupportedFormatError(
            f"a manifest of format {value.get('format')!a} needs a newer aivcs; "
            f"this one knows format {FORMAT}"
        )
    logs = value.get("logs")
    if not isinstance(logs, list):
        raise SerializationError("it has no list of logs")
    return [_head(entry) for entry in logs]


def _head(entry: object) -> "tuple[str, Head]":
    if isinstance(entry, dict):
        name, lines, link = entry.get("log"), entry.get("lines"), entry.get("hash")
        if (
            isinstance(name, str)
            and type(lines) is int
            and lines > 0
            and isinstance(link, str)
            and len(link) == 64
            and _HEX.issuperset(link)
        ):
            check_log_name(name)
            return name, Head(lines, link)
    raise SerializationError("one of its logs lacks a name, a number of lines or a hash")


def check_log_name(name: str) -> None:
    """Refuses what names no log: `run/<id>` and `release/<name>` do.

    Raises:
        InvalidNameError: The id or the name breaks the rules for such texts.
        SerializationError: It is of neither kind.
    """
    kind, _, rest = name.partition("/")
    if kind == "run":
        RunId(rest)
    elif kind == "release":
        check_release_name(rest)
    else:
        raise SerializationError(f"{name[:80]!a} names no log: run/ID or release/NAME is needed")
