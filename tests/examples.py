"""How many examples hypothesis tries: all in CI, fewer where somebody waits for the tests."""

import os

_SHARE = 1 if os.environ.get("CI") else 4


def examples(number):
    """Returns a number of examples, or where no CI system runs the tests a quarter of it."""
    return max(10, number // _SHARE)
