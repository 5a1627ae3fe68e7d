"""`aivcs init`, `status`, `verify` and `config` at the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aivcs.cli import render
from aivcs.commands import store
from aivcs.errors import UsageError

if TYPE_CHECKING:
    from aivcs.cli.context import Context


def init(context: Context, folder: str, shared: bool) -> None:
    """Prints the path of the store."""
    repo = store.init(folder, shared=shared)
    import os

    context.write(f"{os.path.abspath(repo.path)}\n")
    context.flush()
    for doubt in store.doubts(repo):
        context.tell(f"aivcs: warning: {render.escape(doubt)}")


def status(context: Context, as_json: bool) -> None:
    """Prints a store at a glance."""
    found = store.status(context.repository())
    if as_json:
        fields = found._asdict()
        fields["releases"] = [record.to_json() for record in found.releases]
        context.write(render.json_line(fields))
        return
    runs = ", ".join(f"{count} {status.lower()}" for status, count in found.runs.items() if count)
    pairs = [
        ("store", found.store),
        ("durability", found.durability),
        ("blobs", str(found.blobs)),
        ("runs", f"{sum(found.runs.values())}{f' ({runs})' if runs else ''}"),
        ("releases", str(len(found.releases))),
    ]
    if found.damaged:
        pairs.append(("damaged", f"{found.damaged} runs cannot be read; see: aivcs verify"))
    render.fields(context, pairs)


def verify(
    context: Context, repair: bool, as_json: bool, parts: str = "blobs runs releases"
) -> int:
    """Prints what is wrong with a store; 14 if anything is damaged and was not repaired."""
    from aivcs.cli.progress import Bar

    checked = dict.fromkeys(parts.split(), 0)
    found = {"damage": 0, "notice": 0, "repaired": 0}
    repo = context.repository()
    names = frozenset(checked)
    with Bar(context, "verifying", lambda: repo.backend.measure(names)) as bar:

        def count(part: str, size: int) -> None:
            checked[part] += 1
            bar.advance(size)

        for finding in store.verify(repo, names, count, repair=repair):
            found["repaired" if finding.repaired is not None else finding.severity] += 1
            bar.clear()
            if as_json:
                context.write(render.json_line(finding.to_json()))
            else:
                context.write(render.finding_line(finding))
            context.flush()
    if not as_json:
        context.tell(f"read {_counted(checked)}: {_verdict(found)}")
    return 14 if found["damage"] else 0


def verify_blobs(context: Context, repair: bool, as_json: bool) -> int:
    """As `verify`, for blobs only."""
    return verify(context, repair, as_json, "blobs")


def verify_runs(context: Context, repair: bool, as_json: bool) -> int:
    """As `verify`, for runs only."""
    return verify(context, repair, as_json, "runs")


def verify_releases(context: Context, repair: bool, as_json: bool) -> int:
    """As `verify`, for releases only."""
    return verify(context, repair, as_json, "releases")


def _counted(checked: dict[str, int]) -> str:
    return ", ".join(f"{number} {part}" for part, number in checked.items())


def _verdict(found: dict[str, int]) -> str:
    parts = [f"{found['repaired']} repaired"] if found["repaired"] else []
    if found["damage"]:
        parts.append(f"{found['damage']} damaged")
    elif not parts:
        parts.append("no damage found")
    if found["notice"]:
        parts.append(f"{found['notice']} notices")
    return ", ".join(parts)


def config_get(context: Context, key: str, as_json: bool) -> None:
    """Prints the value that holds for a key."""
    from aivcs.config import require_key

    value: object = require_key(key).default
    for _, values in reversed(context.config_layers(_optional_repository(context))):
        value = values.get(key, value)
    context.write(render.json_line(value) if as_json else f"{render.escape(_plain(value))}\n")


def config_list(context: Context, show_origin: bool, as_json: bool) -> None:
    """Prints every key with the value that holds for it."""
    from aivcs.config import KEYS

    layers = context.config_layers(_optional_repository(context))
    rows = []
    for name, key in KEYS.items():
        origin, value = next(
            ((place, values[name]) for place, values in layers if name in values),
            ("default", key.default),
        )
        rows.append((name, value, origin))
    if as_json:
        for name, value, origin in rows:
            context.write(render.json_line({"key": name, "value": value, "origin": origin}))
        return
    columns = ["KEY", "VALUE", *(["ORIGIN"] if show_origin else [])]
    render.table(
        context,
        [render.Column(title) for title in columns],
        ((name, _plain(value), origin)[: len(columns)] for name, value, origin in rows),
    )


def config_set(context: Context, key: str, value: str, user: bool) -> None:
    """Sets a key in the store's file, or in the user's."""
    from aivcs.config import parse_value, require_key

    parsed = parse_value(key, value)
    if require_key(key).user_only and not user:
        raise UsageError(f"{key} stands in your own configuration only: add --user")
    _change(context, key, parsed, user=user)


def config_unset(context: Context, key: str, user: bool) -> None:
    """Removes a key from the store's file, or from the user's."""
    from aivcs.config import require_key

    require_key(key)
    _change(context, key, None, user=user)


def _change(context: Context, key: str, value: object, *, user: bool) -> None:
    from aivcs.config import render_config

    if not user:
        backend = context.repository().backend
        backend.write_config(render_config(backend.read_config(), key, value))
        return
    import os

    path = context.user_config_path()
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        try:
            with open(path, "rb") as file:
                before: bytes | None = file.read()
        except FileNotFoundError:
            before = None
        after = render_config(before, key, value)
        with open(f"{path}.new", "wb") as file:
            file.write(after)
        os.replace(f"{path}.new", path)
    except OSError as error:
        from aivcs.errors import BackendError

        raise BackendError(f"cannot write {path}: {error.strerror}") from error


def _optional_repository(context: Context) -> Repository | None:
    from aivcs.errors import NoRepositoryError

    try:
        return context.repository()
    except NoRepositoryError:
        return None


def _plain(value: object) -> str:
    if isinstance(value, list):
        return " ".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


if TYPE_CHECKING:
    from aivcs.repository import Repository
