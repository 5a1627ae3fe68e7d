"""One grammar for a release: `coder@v1`, `coder v1` and `coder --to v1` mean the same."""

from aivcs.errors import UsageError


def split_release(
    name: str, target: "str | None" = None, to: "str | None" = None
) -> "tuple[str, str | None]":
    """Returns the name and the target that operands name; None without a target.

    Args:
        name: NAME, or NAME@TARGET.
        target: TARGET, the next operand.
        to: The value of `--to`.

    Raises:
        UsageError: The release is named twice, or nothing follows the @.
    """
    bare, mark, selector = name.partition("@")
    if mark and not selector:
        raise UsageError(f"{name} names no release: write {bare}@current, {bare}@SEQ or a label")
    given = [selector] if mark else []
    given += [_beside(bare, text) for text in (target, to) if text is not None]
    if len(given) > 1:
        raise UsageError(
            f"the release is named twice, by {given[0]} and by {given[1]}; "
            f"write {bare}@{given[0]}, {bare} {given[0]} or {bare} --to {given[0]}"
        )
    if not given:
        return bare, None
    return bare, f"@{given[0]}" if _is_short_number(given[0]) else given[0]


def split_releases(
    name: str, before: "str | None", after: "str | None"
) -> "tuple[str, str | None, str | None]":
    """Returns the name and two targets of `coder v1 v2`, `coder@v1 v2`, `coder@v1 coder@v2`."""
    bare, mark, _ = name.partition("@")
    if not mark:
        return bare, before and _seq_beside(bare, before), after and _seq_beside(bare, after)
    if after is not None:
        split_release(name, before)  # which says that the first is named twice
    return *split_release(name), before and _seq_beside(bare, before)


def require_bare(name: str, command: str) -> None:
    """Refuses NAME@TARGET where a command takes a name only.

    Raises:
        UsageError: The name is a NAME@TARGET.
    """
    bare, mark, _ = name.partition("@")
    if mark:
        raise UsageError(
            f"{name} is one release; {command} takes the NAME alone: aivcs {command} {bare}. "
            f"About this one: aivcs release show {name}"
        )


def _beside(bare: str, text: str) -> str:
    """Returns a target without the name it may repeat: of `coder coder@v1`, v1."""
    name, mark, selector = text.partition("@")
    return selector if mark and name == bare and selector else text


def _seq_beside(bare: str, text: str) -> str:
    """Returns a target as `_beside` does, of `coder coder@1` @1."""
    target = _beside(bare, text)
    return f"@{target}" if target != text and _is_short_number(target) else target


def _is_short_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 16
