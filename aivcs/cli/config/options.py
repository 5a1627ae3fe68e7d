"""The commands of `aivcs config`."""

from aivcs.cli.parse.model import Argument, Flag, command
from aivcs.cli.parse.shared_options import JSON
from aivcs.config.keys import KEYS

_KEY = Argument("KEY", help="A key, as in core.durability.", suggestions=tuple(KEYS))
_USER = Flag("--user", help="In your own file, not the store's.")

COMMANDS = (
    command(
        "config get",
        "config.handlers:get",
        """Print the value that holds for a key.""",
        {
            "key": _KEY,
            "as_json": JSON,
        },
    ),
    command(
        "config set",
        "config.handlers:set_",
        """Set a key of the store.""",
        {
            "key": _KEY,
            "value": Argument("VALUE", help="Its new value."),
            "user": _USER,
        },
    ),
    command(
        "config unset",
        "config.handlers:unset",
        """Remove a key of the store.""",
        {
            "key": _KEY,
            "user": _USER,
        },
    ),
    command(
        "config list",
        "config.handlers:list_",
        """List every key with the value that holds.""",
        {
            "show_origin": Flag("--show-origin", help="Say where each value comes from."),
            "as_json": JSON,
        },
    ),
)
