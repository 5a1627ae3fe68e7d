"""The configuration files outside a store: where they are, and whether they are there.

What they say is read by `aivcs.config.keys`, which is loaded only where there is one.
"""

import os
import sys
from stat import S_ISLNK

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


def home(environment: "Mapping[str, str]") -> str:
    """Returns the user's home; empty if neither HOME nor the list of users says where it is."""
    folder = environment.get("HOME", "")
    if folder.startswith("/"):
        return folder
    from pwd import getpwuid

    try:
        return getpwuid(os.getuid()).pw_dir
    except KeyError:  # containers run with ids that have no name
        return ""


def user_config_path(environment: "Mapping[str, str]") -> str:
    """Returns where the user's configuration file is or would be; empty without a home."""
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
    """Returns where the configuration file for all users is, or would be."""
    if sys.platform == "linux":
        # As above, without an import.
        folders = environment.get("XDG_CONFIG_DIRS", "").split(":")
        base = next((folder for folder in folders if folder.startswith("/")), "/etc/xdg")
        return f"{base}/aivcs/config.toml"
    from platformdirs import site_config_dir

    return f"{site_config_dir('aivcs', appauthor=False)}/config.toml"


def is_absent(path: str, *, or_unreachable: bool = False) -> bool:
    """Tells whether there is no configuration file, by what is certain.

    A link to nothing, a loop of links, and a folder that may not be looked into are not absence: a
    file that holds policies would be passed over in silence.

    Args:
        path: The file.
        or_unreachable: Whether a folder that may not be looked into counts as absence. It does for
            the user's own file, as for git: HOME is often somebody else's, under sudo for one.
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
