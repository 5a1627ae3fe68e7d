"""Heads manifests: the head of each log of a store, as bytes that have a digest. No I/O.

A manifest is JSON without whitespace, its logs in the order of their names, so that the same heads
always give the same bytes:

    {"type":"heads","format":1,"logs":[{"log":"release/bot","lines":2,"hash":"…"},…]}

After the logs, a store with records, of erasures and annotations, has
`"records":["erasures/<digest>","notes/ab/<run id>/<digest>",…]`, the names of their documents in
order; each name holds the digest of the whole.

Logs are named as in the contracts, `run/<id>` and `release/<name>`, whatever the backend. A store
agrees with a manifest if each log named there has that hash at that line: the chain then proves all
lines before it, and later lines were appended since.
"""

import re

from aivcs.codec.json import encode, parse
from aivcs.errors import IntegrityError, SerializationError, UnsupportedFormatError
from aivcs.log.names import check_log_name
from aivcs.model.digest import is_hex
from aivcs.model.record import Head

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

TYPE = "heads"
FORMAT = 1
BEGINNING = b'{"type":"heads","format":1,"logs":['
"""The first bytes of every manifest that aivcs writes."""
_BEGIN = re.compile(re.escape(BEGINNING))
_ENTRY = re.compile(
    rb'\{"log":"([A-Za-z0-9._/-]+)","lines":([1-9][0-9]{0,17}),"hash":"([0-9a-f]{64})"\}([,\]])'
)
_RECORDS = re.compile(rb',"records":\[')
_RECORD = re.compile(rb'"([A-Za-z0-9._/-]+)"([,\]])')
_END = re.compile(rb"(?!)")
_LINES_LIMIT = 1 << 63
"""Number of lines that no log reaches."""
_MAX_ENTRY_BYTES = 4096
"""Bytes of an entry, at most; names of logs are far shorter."""


def manifest(heads: "Iterable[tuple[str, Head]]") -> bytes:
    """Returns the manifest of logs, given by name and head in any order."""
    return b"".join(pieces(sorted(heads)))


def pieces(heads: "Iterable[tuple[str, Head]]", records: "Iterable[str]" = ()) -> "Iterator[bytes]":
    """Yields a manifest piece by piece.

    Args:
        heads: The logs, in the order of their names.
        records: The names of the documents of erasures, then of annotations, in order.
    """
    before = encode({"type": TYPE, "format": FORMAT, "logs": []})[:-2]
    for name, head in heads:
        yield f"{before}{encode({'log': name, 'lines': head.lines, 'hash': head.hash})}".encode()
        before = ","
    yield f"{'' if before == ',' else before}]".encode()
    before = ',"records":['
    for name in records:
        yield f"{before}{encode(name)}".encode()
        before = ","
    yield b"]}" if before == "," else b"}"


def heads_in(data: bytes) -> "list[tuple[str, Head | None]]":
    """Returns the names and heads of a manifest, then the names of its records with None.

    Raises:
        SerializationError: The bytes are not a manifest.
        UnsupportedFormatError: The manifest is of a later format.
    """
    try:
        value = parse(data.decode())
    except (SerializationError, UnicodeDecodeError) as error:
        raise SerializationError("it is not JSON") from error
    if not isinstance(value, dict) or value.get("type") != TYPE:
        raise SerializationError('it is not a JSON object of the type "heads"')
    if value.get("format") != FORMAT:
        raise UnsupportedFormatError(
            f"manifest format {value.get('format')!a} needs a newer aivcs; "
            f"this one reads format {FORMAT}"
        )
    logs = value.get("logs")
    if not isinstance(logs, list):
        raise SerializationError("it has no list of logs")
    records = value.get("records", [])
    if not isinstance(records, list):
        raise SerializationError("its records are not a list")
    found: list[tuple[str, Head | None]] = [_head(entry) for entry in logs]
    return found + [(_record(name), None) for name in records]


def heads_in_pieces(data: "Iterable[bytes]") -> "Iterator[tuple[str, Head | None]]":
    """Yields the names and heads of a manifest given piece by piece, in its order.

    After them come the names of its records, with None.

    The bytes must be exactly as `pieces` writes them; `heads_in` accepts any JSON, as a whole.

    Raises:
        SerializationError: They are not; then everything yielded before is invalid, too.
    """
    rest, at, form = b"", 0, _BEGIN
    for piece in data:
        rest, at = rest[at:] + piece, 0
        while found := form.match(rest, at):
            at = found.end()
            if form is _ENTRY:
                name = found[1].decode()
                check_log_name(name)
                yield name, Head(int(found[2]), found[3].decode())
                form = _RECORDS if found[4] == b"]" else _ENTRY
            elif form is _RECORD:
                yield _record(found[1].decode()), None
                form = _END if found[2] == b"]" else _RECORD
            else:
                form = _ENTRY if form is _BEGIN else _RECORD
        if len(rest) - at > _MAX_ENTRY_BYTES:
            break
    if form not in {_RECORDS, _END} or rest[at:] != b"}":
        raise SerializationError("it is not written as aivcs writes it")


def _head(entry: object) -> "tuple[str, Head]":
    if isinstance(entry, dict):
        name, lines, link = entry.get("log"), entry.get("lines"), entry.get("hash")
        if (
            isinstance(name, str)
            and type(lines) is int
            and 0 < lines < _LINES_LIMIT
            and isinstance(link, str)
            and len(link) == 64
            and is_hex(link)
        ):
            check_log_name(name)
            return name, Head(lines, link)
    raise SerializationError("one of its logs lacks a name, a number of lines or a hash")


def _record(name: object) -> str:
    """The name of the document of a record.

    Raises:
        SerializationError: It is not valid.
    """
    from aivcs.log.annotation import split_name
    from aivcs.log.erasure import digest_in

    if isinstance(name, str):
        for check in (split_name, digest_in):
            try:
                check(name)
                return name
            except IntegrityError:
                pass
    raise SerializationError(
        f"{name!a:.80} is not a record: write notes/AB/RUN/DIGEST or erasures/DIGEST"
    )
