"""Things that several tests of the command need."""

import itertools

import pytest


@pytest.fixture
def same_beginning(files):
    """Two contents whose digests begin with the same four characters, and these four."""
    seen = {}
    for number in itertools.count():
        content = b"%d" % number
        short = files.sha256(content)[:4]
        if short in seen:
            return seen[short], content, short
        seen[short] = content
    raise AssertionError
