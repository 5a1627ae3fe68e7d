"""Finds the files installed with the command: completions and man pages.

In a checkout, and so in an editable install, they are next to the package. Otherwise they are below
`share/` of the environment or of the user, where shells and man look for them.
"""

from __future__ import annotations

import os

import aivcs


def find(beside: str, below_share: str) -> str | None:
    """Returns the path of a shipped file, or None if it was left out of this installation.

    Args:
        beside: Its path relative to the folder that holds the package.
        below_share: Its path below `share/`.
    """
    import sysconfig

    above = os.path.dirname(os.path.dirname(os.path.abspath(aivcs.__file__)))
    # The scheme that this package was installed by: elsewhere there may be another version.
    data = [
        sysconfig.get_path("data", scheme)
        for scheme in sysconfig.get_scheme_names()
        if os.path.realpath(sysconfig.get_path("purelib", scheme)) == os.path.realpath(above)
    ]
    # The first is a checkout, the second where pip install --target leaves it.
    places = [f"{above}/{beside}", *(f"{root}/share/{below_share}" for root in (above, *data))]
    return next((path for path in places if os.path.isfile(path)), None)
