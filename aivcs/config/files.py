"""Locates the configuration files outside a store, and tells whether they exist.

`aivcs.config.layers` reads them; it is loaded only if there is one.
"""

import os
import sys
from stat import S_ISLNK

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


MACHINE = "/etc/aivcs/config.toml"
"""The configuration file of the machine, which no variable leads away from."""


def home(environment: "Mapping[str, str]") -> str:
    """Returns the user's home; empty if neither HOME nor the list of users names it."""
    folder = environment.get("HOME", "")
    if folder.startswith("/"):
        return folder
    from pwd import getpwuid

    try:
        return getpwuid(os.getuid()).pw_dir
    except KeyError:  # containers run with ids that have no name
        return ""


def user_config_path(environment: "Mapping[str, str]") -> str:
    """Returns the path of the user's configuration file; empty without a home."""
    if sys.platform == "linux":
        # What platformdirs says there, without its import; a test holds the two together.
        base = environment.get("XDG_CONFIG_HOME", "").strip()
        if not base:
            folder = home(environment)
            if not folder:
                return ""
            base = f"{folder}/.config"
        return f"{base}/aivcs/config.toml"
    from platformdirs import user_config_dir

    return f"{user_config_dir('aivcs', appauthor=False)}/config.toml"


def system_config_path(environment: "Mapping[str, str]") -> str:
    """Returns the path of the configuration file for all users."""
    if sys.platform == "linux":
        # As above, without an import.
        folders = environment.get("XDG_CONFIG_DIRS", "").split(":")
        base = next((folder for folder in folders if folder.startswith("/")), "/etc/xdg")
        return f"{base}/aivcs/config.toml"
    from platformdirs import site_config_dir

    return f"{site_config_dir('aivcs', appauthor=False)}/config.toml"


def is_absent(path: str, *, or_unreachable: bool = False) -> bool:
    """Tells whether a configuration file certainly does not exist.

    A dangling link, a loop of links and an unreadable folder do not count as absence: a file with
    policies would be ignored silently.

    Args:
        path: The file.
        or_unreachable: Whether an unreadable folder counts as absence, as for the user's own file
            (and in git): under sudo, for example, HOME often belongs to another user.
    """
    is_file = True
    while True:
        try:
            found = os.lstat(path)
        except (FileNotFoundError, NotADirectoryError):
            above = os.path.dirname(path)
            if above == path:
                return True
            path, is_file = above, False
            continue
        except PermissionError:
            return or_unreachable
        except OSError:
            return False
        # The nearest thing that is there: the file, or a folder it is not in.
        return not is_file and (not S_ISLNK(found.st_mode) or os.path.exists(path))
