"""Checks that a call is refused, where one test goes through many values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    E = TypeVar("E", bound=Exception)


def refuses(kind: type[E], name: str, call: Callable[..., object], *arguments: Any) -> E:
    """Returns the error of a kind that a call raises; fails with the value's name if none is."""
    try:
        call(*arguments)
    except kind as error:
        return error
    pytest.fail(f"{name}: no {kind.__name__} was raised")
