"""The configuration files that hold for a call, and what each may set.

What touches trust or identity is read from the user's file and the system's only: a key marked so
is refused in a store's file, because whoever can write to a store must not be able to decide whom
its readers trust. Policies (`policy.PATTERN.RULE`) are the opposite: they belong to a store or the
system, since nobody sets rules for himself. They are checked when a release is changed, not before.
"""

import os
from errno import EINVAL
from stat import S_ISREG

from aivcs.codec.toml import TomlError, parse_toml
from aivcs.config import files as config_files
from aivcs.config.files import is_absent, system_config_path, user_config_path
from aivcs.config.keys import (
    NO_OWN_POLICY,
    POLICY,
    REQUIRE_STORE,
    Key,
    check_value,
    find_key,
    nearest,
    shown,
)
from aivcs.errors import BackendError, UsageError
from aivcs.store.identity import is_store_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from aivcs.config.keys import Config

TRUST = "trust"
"""The table of trusted stores: URL or path, and store id. In the user's and the system's files."""
STORE, USER, SYSTEM = "store", "user", "system"
"""The owners of configuration files."""
MAX_FILE = 1 << 20
"""Bytes of a configuration file or a signature, at most; reading a device would never end."""
_PLACES = {
    TRUST: "stands in your own configuration only: aivcs trust URL",
    REQUIRE_STORE: f"stands in the system's configuration only: {config_files.MACHINE}",
}
_POLICY_MISSPELLINGS = frozenset({POLICY, "policies"})
"""Misspellings of the `policy` table, lower case. A key below one is reported, and blocks
releases."""


def parse_config(
    text: bytes,
    where: str,
    *,
    whose: str = STORE,
    warn: "Callable[[str], None] | None" = None,
) -> "Config":
    """Returns the known keys of a configuration file; unknown ones are left out.

    Args:
        text: TOML.
        where: The file, for messages.
        whose: `STORE`, `USER` or `SYSTEM`.
        warn: Told of each key that means nothing.

    Raises:
        UsageError: It is not TOML, a value is of the wrong type, or a key must not stand there.
    """
    try:
        tables = parse_toml(text)
    except TomlError as error:
        raise UsageError(f"{where} is not valid TOML: {error}") from error
    values = {}
    if POLICY in tables:
        if whose == USER:
            raise UsageError(f"{where} has a policy: {NO_OWN_POLICY}")
        values[POLICY] = tables.pop(POLICY)
    for table, places in ((TRUST, {USER, SYSTEM}), (REQUIRE_STORE, {SYSTEM})):
        if table in tables:
            values[table] = _store_ids(table, tables.pop(table), where)
            if whose not in places:
                raise UsageError(f"{where} has a table {table}, which {_PLACES[table]}")
    found = _flatten(tables)
    for dotted, value in found:
        key = find_key(dotted)
        if key is None:
            if dotted.partition(".")[0].lower() in _POLICY_MISSPELLINGS:
                # Its author wants rules to hold, and these are not rules: nothing is released.
                values.setdefault(POLICY, dotted)
            if warn is not None:
                warn(f"{where} sets {shown(dotted)}, which means nothing; {nearest(dotted)}")
            continue
        _require_place(dotted, key, whose, where)
        values[dotted] = check_value(dotted, value, where)
    return values


def _require_place(dotted: str, key: Key, whose: str, where: str) -> None:
    """Requires that a key may stand in a file.

    Raises:
        UsageError: It must not.
    """
    if key.user_only and whose == STORE:
        raise UsageError(
            f"{where} sets {dotted}, which only your own configuration may: "
            f"aivcs config set --user {dotted} …"
        )
    if dotted == "blobs" and whose != STORE:
        raise UsageError(f"{where} sets blobs, which only a store's own configuration may")


def file_layers(
    environment: "Mapping[str, str]",
    store: "tuple[str, bytes | None]" = ("", None),
    *,
    warn: "Callable[[str], None] | None" = None,
) -> "list[tuple[str, Config]]":
    """Returns the configuration files that there are, strongest first, with what each says.

    Args:
        environment: The environment variables, which say where the user's file is and the system's.
        store: The path of the store's file, and its content, or None without such a file, as by
            default.
        warn: Told of each key that means nothing.

    Raises:
        UsageError: A file says something invalid.
        BackendError: A file cannot be read.
    """
    path, own = store
    layers = [] if own is None else [(path, parse_config(own, path, warn=warn))]
    for whose, path in own_files(environment):
        text = read_config(path, or_unreachable=whose == USER)
        if text is not None:
            layers.append((path, parse_config(text, path, whose=whose, warn=warn)))
    return layers


def own_files(environment: "Mapping[str, str]") -> "list[tuple[str, str]]":
    """Returns the paths of the user's file and the system's, strongest first, with whose each is.

    Args:
        environment: The environment variables.
    """
    files = [(USER, user_config_path(environment)), (SYSTEM, system_config_path(environment))]
    if files[-1][1] != config_files.MACHINE:
        files.append((SYSTEM, config_files.MACHINE))
    return files


def outside_layers(environment: "Mapping[str, str]", *, is_remote: bool) -> "list[Config]":
    """Returns what files outside a store say of any opening of it, strongest first.

    That is `require_store` of the system's files; and for a store on a network `remote.*` of the
    user's file and the system's.

    Raises:
        UsageError: A file says something invalid.
        BackendError: A file cannot be read.
    """
    found: list[Config] = []
    for whose, path in own_files(environment):
        if whose == USER and not is_remote:
            continue
        text = read_config(path, or_unreachable=whose == USER)
        if text is not None:
            values = parse_config(text, path, whose=whose)
            found.append(
                {
                    key: value
                    for key, value in values.items()
                    if key == REQUIRE_STORE or (is_remote and key.startswith("remote."))
                }
            )
    return found


def ids_in(layers: "list[tuple[str, Config]]", store: str) -> "set[str]":
    """Returns the ids under which some configuration files trust a store; none if they do not."""
    from aivcs.codec.url import canonical

    place = canonical(store)
    return {
        store_id
        for _, values in layers
        for name, store_id in values.get(TRUST, {}).items()
        if canonical(name) == place
    }


def _store_ids(table: str, found: object, where: str) -> "dict[str, str]":
    """The entries of a table whose values are store ids.

    Raises:
        UsageError: A value is not a store id.
    """
    if not isinstance(found, dict):
        raise UsageError(f"{where}: {table} is not a table; write [{table}]")
    for name, value in found.items():
        if not is_store_id(value):
            raise UsageError(
                f"{where}: {table}.{name} must be the id of a store, "
                f"32 hexadecimal digits, not {value!r}"
            )
    return found


def policies(layers: "list[tuple[str, Config]]") -> "list[tuple[str, Any]]":
    """Returns the policy table of each place that has one, the system's before the store's."""
    return [(place, values[POLICY]) for place, values in reversed(layers) if POLICY in values]


def _flatten(tables: "dict[str, Any]", prefix: str = "") -> "list[tuple[str, Any]]":
    pairs: list[tuple[str, Any]] = []
    for name, value in tables.items():
        if isinstance(value, dict):
            pairs += _flatten(value, f"{prefix}{name}.")
        else:
            pairs.append((f"{prefix}{name}", value))
    return pairs


def read_config(path: str, *, or_unreachable: bool = False) -> "bytes | None":
    """Returns the content of a configuration file, or None without such a file.

    Args:
        path: The file.
        or_unreachable: As for `is_absent`.

    Raises:
        BackendError: The file cannot be read, is not a regular file, or is too long.
    """
    if is_absent(path, or_unreachable=or_unreachable):
        return None
    data = read_file(path, opener=_open_regular)
    if data is None and not is_absent(path, or_unreachable=or_unreachable):
        raise BackendError(f"cannot read {path}: it is a link to nothing")
    return data


def read_file(path: str, opener: "Callable[[str, int], int] | None" = None) -> "bytes | None":
    """Returns the content of a configuration or signature file, or None without such a file.

    Args:
        path: The file.
        opener: What opens it, as for `open`.

    Raises:
        BackendError: The file cannot be read or is too long.
    """
    try:
        with open(path, "rb", opener=opener) as file:
            data = file.read(MAX_FILE + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise BackendError(f"cannot read {path}: {error.strerror}") from error
    if len(data) > MAX_FILE:
        raise BackendError(f"cannot read {path}: it has more than {MAX_FILE} bytes")
    return data


def _open_regular(path: str, flags: int) -> int:
    """Opens a regular file or /dev/null, to which some link for an empty file; never a pipe."""
    fd = os.open(path, flags | os.O_NONBLOCK)
    found = os.fstat(fd)
    if not S_ISREG(found.st_mode) and not os.path.samestat(found, os.stat(os.devnull)):
        os.close(fd)
        raise OSError(EINVAL, "it is not a regular file")
    return fd
