"""What the tests of run ledgers begin with: stores, runs and values."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any

import pytest

from aivcs.model.digest import ContentDigest
from aivcs.model.run import RunEvent, RunId, RunMetadata, RunSummary
from aivcs.testing.lines import LineFixtures

if TYPE_CHECKING:
    from collections.abc import Callable

    from aivcs.store.contracts import RunLedger
    from aivcs.testing.lines import Edit

    OpenStore = Callable[[], RunLedger]

SPEC = ContentDigest(sha256(b"spec").hexdigest())
OTHER_SPEC = ContentDigest(sha256(b"other spec").hexdigest())
META = RunMetadata("bot")
DONE = RunSummary(success=True)
NO_RUNS = [
    "00000000-0000-4000-8000-000000000000",
    "",
    "x",
    "..",
    "../x",
    "a/b",
    "a\0b",
    "a\n",
    "-a",
    ".a",
    "é",
    "x" * 300,
    "a.jsonl",
]


def nested(levels: int) -> Any:
    """A value of arrays and objects inside one another."""
    value: Any = 0
    for level in range(levels):
        value = [value] if level % 2 else {"in": value}
    return value


def circle() -> Any:
    """A list that holds itself."""
    value: list[Any] = []
    value.append(value)
    return value


PAYLOADS: dict[str, Any] = {
    "null": None,
    "true": True,
    "false": False,
    "zero": 0,
    "minus zero": -0.0,
    "one": 1,
    "one as a double": 1.0,
    "beyond a double's integers": 2**53 + 1,
    "beyond 64 bits": -(2**64),
    "4300 digits": 10**4300 - 1,
    "minus 4300 digits": 1 - 10**4300,
    "a fraction": 0.1,
    "the largest double": 1.7976931348623157e308,
    "the smallest double": 5e-324,
    "an empty text": "",
    "an empty array": [],
    "an empty object": {},
    "umlauts": "Grüße",
    "characters beyond the BMP": "🦀\U0001d54f",
    "combining characters": "e\u0301 is not \u00e9",
    "line separators": "a\u2028b\u2029c\u0085d",
    "control characters": "\0\x01\t\n\r\x1b\x7f",
    "quotes and backslashes": '"\\/\\u0041',
    "a byte order mark": "\ufeff",
    "what looks like the end of a line": '","hash":"' + "0" * 64 + '"}\n',
    "keys in an order of their own": {"z": 1, "a": 2, "m": {"y": 1, "b": 2}},
    "an empty key": {"": {"": 0}},
    "a reserved key": {"hash": 1, "type": "end", "seq": 9, "high": [1, 2]},
    "200 levels": nested(200),
    "many things": {"list": [1, "two", None, [True, {"three": 3.5}]], "text": "ok"},
}
REFUSED: dict[str, Any] = {
    "not a number": float("nan"),
    "infinity": [float("inf")],
    "minus infinity": {"a": float("-inf")},
    "bytes": b"abc",
    "a set": {1, 2},
    "an object": object(),
    "a key that is a number": {1: 2},
    "a key that is null": {"a": {None: 2}},
    "a key that is true": [{True: 2}],
    "half a surrogate pair": "\ud800",
    "half a surrogate pair in a key": {"\udfff": 1},
    "201 levels": nested(201),
    "10,000 levels": nested(10_000),
    "4301 digits": 10**4300,
    "a circle": circle(),
}


def change(text: bytes, by: bytes) -> Edit:
    """An edit that replaces a text wherever it stands, hashes left as they are."""
    return lambda lines: [line.replace(text, by) for line in lines]


def same(one: Any, other: Any) -> bool:
    """Whether two values are the same down to types, signs of zero and order of keys."""
    # Not repr of the whole: integers of over 4300 digits have none.
    if isinstance(one, dict):
        return (
            isinstance(other, dict)
            and list(one) == list(other)
            and all(same(one[key], other[key]) for key in one)
        )
    if isinstance(one, list):
        return isinstance(other, list) and len(one) == len(other) and all(map(same, one, other))
    return type(one) is type(other) and (
        repr(one) == repr(other) if isinstance(one, float) else bool(one == other)
    )


class RunLedgerFixtures(LineFixtures):
    """The fixtures of the contracts of a `RunLedger`."""

    @pytest.fixture
    def open_store(self) -> OpenStore:
        """Override: a factory of ledgers which all reach the same runs, none at first."""
        raise NotImplementedError("override the fixture open_store")

    @pytest.fixture
    def ledger(self, open_store: OpenStore) -> RunLedger:
        """A ledger of the factory."""
        return open_store()

    @pytest.fixture
    def run(self, ledger: RunLedger) -> RunId:
        """A run without events."""
        return ledger.create_run(SPEC, META)

    @pytest.fixture
    def told(self, ledger: RunLedger) -> RunId:
        """A run with the events one, two, three, four."""
        run = ledger.create_run(SPEC, META)
        ledger.append_events(run, [RunEvent(kind) for kind in ("one", "two", "three", "four")])
        return run
