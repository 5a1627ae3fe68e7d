"""A manifest of heads: what each log of a store had come to, in bytes that have a digest. No I/O.

The manifest is JSON without whitespace, its logs in the order of their names, so that the same
heads are the same bytes, whoever writes them:

    {"type":"heads","format":1,"logs":[{"log":"release/bot","lines":2,"hash":"…"},…]}

Logs are named as the contracts name them, `run/<id>` and `release/<name>`, not by where a backend
keeps them. A store agrees with a manifest if each log named there has, at that line, that hash: the
chain then vouches for all lines before it, and lines behind it are what came since.
"""

import re

from aivcs.codec.json import encode, parse
from aivcs.errors import SerializationError, UnsupportedFormatError
from aivcs.model import Head, RunId, check_release_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

TYPE = "heads"
FORMAT = 1
_HEX = frozenset("0123456789abcdef")
_BEGIN = re.compile(rb'\{"type":"heads","format":1,"logs":\[')
_ENTRY = re.compile(
    rb'\{"log":"([A-Za-z0-9._/-]+)","lines":([1-9][0-9]{0,17}),"hash":"([0-9a-f]{64})"\}([,\]])'
)
_MOST_LINES = 1 << 63
"""No log comes to have as many."""
_LONGEST = 4096
"""Bytes of an entry, at most; names of logs are far shorter."""


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


def heads_in_pieces(data: "Iterable[bytes]") -> "Iterator[tuple[str, Head]]":
    """Yields the names and heads of a manifest that comes piece by piece, in its order.

    It must be written as `pieces` writes it, to the byte; `heads_in` takes any JSON, as a whole.

    Raises:
        SerializationError: It is not, or no manifest at all; what was yielded then counts for
            nothing.
    """
    rest, at, form = b"", 0, _BEGIN
    is_over = False
    for piece in data:
        rest, at = rest[at:] + piece, 0
        while not is_over and (found := form.match(rest, at)):
            at, form = found.end(), _ENTRY
            if found.lastindex:
                name = found[1].decode()
                check_log_name(name)
                yield name, Head(int(found[2]), found[3].decode())
                is_over = found[4] == b"]"
        if len(rest) - at > _LONGEST or (is_over and not b"}".startswith(rest[at:])):
            break
    if not is_over or rest[at:] != b"}":
        raise SerializationError("it is not written as aivcs writes it")


def _head(entry: object) -> "tuple[str, Head]":
    if isinstance(entry, dict):
        name, lines, link = entry.get("log"), entry.get("lines"), entry.get("hash")
        if (
            isinstance(name, str)
            and type(lines) is int
            and 0 < lines < _MOST_LINES
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
