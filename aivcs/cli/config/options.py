"""The commands of `aivcs config`."""

from aivcs.cli.parse.model import Argument, Flag, command
from aivcs.cli.parse.shared_options import JSON
from aivcs.config.keys import KEYS

_KEY = Argument("KEY", help="A key, as in core.durability.", suggestions=tuple(KEYS))
_USER = Flag("--user", help="Use your own configuration file, not the store's.")

COMMANDS = (
    command(
        "config get",
        "config.handlers:get",
        """Print the effective value of a key.""",
        {
            "key": _KEY,
            "as_json": JSON,
        },
    ),
    command(
        "config set",
        "config.handlers:set_",
        """Set a key in the store's configuration, or in yours.""",
        {
            "key": _KEY,
            "value": Argument("VALUE", help="The new value."),
            "user": _USER,
        },
    ),
    command(
        "config unset",
        "config.handlers:unset",
        """Remove a key from the store's configuration, or from yours.""",
        {
            "key": _KEY,
            "user": _USER,
        },
    ),
    command(
        "config list",
        "config.handlers:list_",
        """List every key with its effective value.""",
        {
            "show_origin": Flag("--show-origin", help="Also print where each value comes from."),
            "as_json": JSON,
        },
    ),
)
