"""Handlers of `aivcs config`: each reads or edits configuration and prints the result."""

from __future__ import annotations

from aivcs.cli.render import output as render

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from aivcs.cli.session.context import Context
    from aivcs.repository import Repository


def get(context: Context, key: str, as_json: bool) -> int:
    """Prints the effective value of a key. Exit code 1: no policy sets this rule."""
    from aivcs.config.keys import policy_key, require_key
    from aivcs.config.layers import policies

    context.keeps_apart = True
    layers = context.config_layers(_optional_repository(context))
    rule = policy_key(key)
    if rule is None:
        value: object = require_key(key).default
        for _, values in reversed(layers):
            value = values.get(key, value)
        value = _masked(key, value)
    else:
        value = next((found for _, *at, found in _rules(policies(layers)) if (*at,) == rule), None)
        if value is None:
            return 1
    context.write(render.json_line(value) if as_json else f"{render.escape(_plain(value))}\n")
    return 0


def list_(context: Context, show_origin: bool, as_json: bool) -> None:
    """Prints every key with its effective value, and every rule of a policy."""
    from shlex import quote

    from aivcs.cli.render.table import Column
    from aivcs.codec.url import shown
    from aivcs.config.keys import KEYS, POLICY, REQUIRE_STORE
    from aivcs.config.layers import TRUST, policies
    from aivcs.config.prices import incomplete_prices

    context.keeps_apart = True
    layers = context.config_layers(_optional_repository(context))
    rows = []
    for name, key in KEYS.items():
        origin, value = next(
            ((place, values[name]) for place, values in layers if name in values),
            ("default", key.default),
        )
        rows.append((name, _masked(name, value), origin))
    further = {name for _, values in layers for name in values} - {
        *KEYS,
        POLICY,
        TRUST,
        REQUIRE_STORE,
    }
    for name in sorted(further):
        origin, value = next((place, values[name]) for place, values in layers if name in values)
        rows.append((name, _masked(name, value), origin))
    for table in (TRUST, REQUIRE_STORE):
        for place, values in layers:
            for name, store_id in values.get(table, {}).items():
                rows.append((f"{table}.{shown(name)}", store_id, place))
    for origin, pattern, rule, value in _rules(policies(layers)):
        rows.append((f"policy.{pattern}.{rule}", value, origin))
    for model, (what, *_) in incomplete_prices(layers).items():
        setting = render.escape(quote(f"prices.{model}.{what}"))
        context.warn(
            f"aivcs: warning: the price of {model!a} has no {what}, so it counts as none: "
            f"aivcs config set {setting} DOLLARS"
        )
    if as_json:
        for name, value, origin in rows:
            context.write(render.json_line({"key": name, "value": value, "origin": origin}))
        return
    columns = ["KEY", "VALUE", *(["ORIGIN"] if show_origin else [])]
    render.table(
        context,
        [Column(title) for title in columns],
        ((name, _plain(value), origin)[: len(columns)] for name, value, origin in rows),
    )


def _rules(layers: list[tuple[str, Any]]) -> Iterator[tuple[str, str, str, Any]]:
    """Yields place, pattern, rule and value of all policies, the place with precedence first.

    Raises:
        UsageError: A policy is invalid.
    """
    from aivcs.policy.select import check_patterns

    for place, patterns in layers:
        for pattern, rules in check_patterns(patterns, place):
            for rule in rules:
                yield place, pattern, rule, patterns[pattern][rule]


def set_(context: Context, key: str, value: str, user: bool) -> None:
    """Sets a key in the store's configuration file or in the user's."""
    from aivcs.config.keys import may_set, parse_value

    parsed = parse_value(key, value)
    may_set(key, user=user)
    context.keeps_apart = True
    if key == "blobs" and parsed:
        from aivcs.opening import claim_blobs

        if not claim_blobs(context.repository().store, str(parsed)):
            context.warn(
                f"aivcs: warning: the blobs that this store has had are not found any more: they "
                f"are not in {parsed}. Copy them there, or take it back: aivcs config unset blobs"
            )
    _change(context, key, parsed, user=user)


def unset(context: Context, key: str, user: bool) -> None:
    """Removes a key from the store's configuration file or from the user's."""
    from aivcs.config.keys import policy_key, require_key

    if policy_key(key) is None:
        require_key(key)
    context.keeps_apart = True
    _change(context, key, None, user=user)


def _change(context: Context, key: str, value: object, *, user: bool) -> None:
    import os

    from aivcs.config.keys import render_config

    def edit(text: bytes | None) -> bytes:
        return render_config(text, key, value)

    if user:
        from aivcs.config.own_file import edit_own

        edit_own(context.environment, edit)
    else:
        repo = context.repository()
        repo.edit_config(edit)
        if repo.store.folder is None:
            return
    if key == "core.durability" and value != "none":
        os.sync()  # later blobs and events may refer to ones that were stored without a sync


def _optional_repository(context: Context) -> Repository | None:
    from aivcs.errors import NoRepositoryError

    try:
        return context.repository()
    except NoRepositoryError:
        return None


def _masked(dotted: str, value: object) -> object:
    """The value of a key, with the password masked of a URL that somebody wrote into a file."""
    from aivcs.codec.url import shown
    from aivcs.config.keys import require_key

    if not require_key(dotted).names_store:
        return value
    return [*map(shown, value)] if isinstance(value, list) else shown(str(value))


def _plain(value: object) -> str:
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return " ".join(value)
    if isinstance(value, (list, dict, bool)):
        return render.json_line(value).removesuffix("\n")
    return f"{value:g}" if isinstance(value, float) else str(value)
