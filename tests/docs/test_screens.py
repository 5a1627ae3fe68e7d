"""The pictures of the browser in the docs show what the browser shows."""

import pytest

from tools.screens.__main__ import FOLDER, pictures, texts

MAX_BYTES = 60_000


@pytest.fixture(scope="module")
def drawn():
    return pictures()


def test_pictures_have_the_texts_of_the_browser(drawn):
    for name, picture in drawn.items():
        assert texts((FOLDER / name).read_text()) == texts(picture), "python -m tools.screens"


def test_pictures_are_small_and_load_nothing():
    files = sorted(FOLDER.iterdir())
    assert len(files) == 2
    for path in files:
        picture = path.read_text()
        assert len(picture) < MAX_BYTES
        assert "url(http" not in picture
        assert "@font-face" not in picture
        assert f"](screens/{path.name})" in (FOLDER.parent / "report.md").read_text()
