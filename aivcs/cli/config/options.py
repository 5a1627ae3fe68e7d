"""The declarations of `aivcs config`."""

from typing import Annotated

from typer import Argument, Option

from aivcs.cli.parse.shared_options import Json, calls, noun

app = noun()


_Key = Annotated[str, Argument(metavar="KEY", help="A key, as in core.durability.")]
_User = Annotated[bool, Option("--user", help="In your own file, not the store's.")]


@app.command("get")
@calls("store.handlers:config_get")
def config_get(key: _Key, as_json: Json = False) -> None:
    """Print the value that holds for a key."""


@app.command("set")
@calls("store.handlers:config_set")
def config_set(
    key: _Key,
    value: Annotated[str, Argument(metavar="VALUE", help="Its new value.")],
    user: _User = False,
) -> None:
    """Set a key of the store."""


@app.command("unset")
@calls("store.handlers:config_unset")
def config_unset(key: _Key, user: _User = False) -> None:
    """Remove a key of the store."""


@app.command("list")
@calls("store.handlers:config_list")
def config_list(
    show_origin: Annotated[
        bool, Option("--show-origin", help="Say where each value comes from.")
    ] = False,
    as_json: Json = False,
) -> None:
    """List every key with the value that holds."""
